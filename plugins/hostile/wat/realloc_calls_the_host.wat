(func $realloc (param i32 i32 i32 i32) (result i32)
    (call $log (i32.const 2) (i32.const 0) (i32.const 4))
    (i32.const 1024))
