;; A table is memory of the host.
(table $table 1 funcref)
(func $process (param i32 i32 i32 i32 i32 i32) (result i32)
    (loop $again
        (if (i32.eq (table.grow $table (ref.null func) (i32.const 10000)) (i32.const -1)) (then unreachable))
        (br $again))
    unreachable)
