;; Half a million empty buffers, eight bytes each here and more in the host.
(memory $memory 100)
(data (i32.const 1028) "\20\04\00\00\01\00\00\00")
(data (i32.const 1056) "\01\00\00\00\00\00\00\00\00\00\00\00\00\00\01\00\20\a1\07\00")
(func $process (param i32 i32 i32 i32 i32 i32) (result i32) (i32.const 1024))
