(func $deep (param i64) (result i64)
    (i64.add (call $deep (local.get 0)) (call $deep (i64.add (local.get 0) (i64.const 1)))))
(func $process (param i32 i32 i32 i32 i32 i32) (result i32)
    (i32.wrap_i64 (call $deep (i64.const 0))))
