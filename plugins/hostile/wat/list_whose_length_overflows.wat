;; 0x08000001 parts of 32 bytes are 32 bytes in 32 bits.
(data (i32.const 1024) "\00\00\00\00\00\00\00\00\01\00\00\08")
(func $process (param i32 i32 i32 i32 i32 i32) (result i32) (i32.const 1024))
