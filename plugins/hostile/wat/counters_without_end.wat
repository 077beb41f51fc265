;; Each counter has another name.
(func $process (param i32 i32 i32 i32 i32 i32) (result i32)
    (loop $again
        (i32.store8 (i32.const 1024) (i32.add (i32.const 33) (i32.rem_u (i32.load8_u (i32.const 1025)) (i32.const 90))))
        (i32.store8 (i32.const 1025) (i32.add (i32.const 1) (i32.and (i32.load8_u (i32.const 1025)) (i32.const 63))))
        (i32.store8 (i32.const 1026) (i32.add (i32.const 33) (i32.rem_u (i32.load (i32.const 1028)) (i32.const 90))))
        (i32.store (i32.const 1028) (i32.add (i32.const 1) (i32.load (i32.const 1028))))
        (call $count (i32.const 1024) (i32.const 3) (i64.const 1))
        (br $again))
    unreachable)
