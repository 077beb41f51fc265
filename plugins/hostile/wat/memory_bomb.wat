;; Takes all it can get, a page at a time, writes to it, and crashes when no more is given.
(func $process (param i32 i32 i32 i32 i32 i32) (result i32)
    (local $page i32)
    (loop $again
        (local.set $page (memory.grow (i32.const 1)))
        (if (i32.eq (local.get $page) (i32.const -1)) (then unreachable))
        (memory.fill (i32.shl (local.get $page) (i32.const 16)) (i32.const 255) (i32.const 65536))
        (br $again))
    unreachable)
