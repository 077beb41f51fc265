;; Nodes, buffers and the lists of them on top of each other: what comes back is whatever was written last.
(func $realloc (param i32 i32 i32 i32) (result i32) (i32.const 1024))
