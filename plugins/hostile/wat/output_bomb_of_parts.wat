;; A hundred thousand parts without rows.
(memory $memory 100)
(data (i32.const 1024) "\00\00\00\00\00\00\01\00\a0\86\01\00")
(func $process (param i32 i32 i32 i32 i32 i32) (result i32) (i32.const 1024))
