(data (i32.const 1024) "\ff\fe")
(func $process (param i32 i32 i32 i32 i32 i32) (result i32)
    (call $count (i32.const 1024) (i32.const 2) (i64.const 1))
    (i32.const 0))
