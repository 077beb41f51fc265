;; One instruction that takes long, in a loop: interrupts come between instructions.
(memory $memory 120)
(func $process (param i32 i32 i32 i32 i32 i32) (result i32)
    (loop $again
        (memory.fill (i32.const 65536) (i32.const 1) (i32.const 7700000))
        (br $again))
    unreachable)
