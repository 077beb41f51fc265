(memory $memory 100)
(func $process (param i32 i32 i32 i32 i32 i32) (result i32)
    (call $log (i32.const 2) (i32.const 0) (i32.const 6553600))
    (i32.const 0))
