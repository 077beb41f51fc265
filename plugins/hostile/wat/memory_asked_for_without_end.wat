;; Is told no and asks again, for ever.
(func $process (param i32 i32 i32 i32 i32 i32) (result i32)
    (loop $again
        (drop (memory.grow (i32.const 65535)))
        (br $again))
    unreachable)
