(func $process (param i32 i32 i32 i32 i32 i32) (result i32)
    (i32.load offset=4294967292 (i32.const -1)))
