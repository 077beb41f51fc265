;; Clears the screen, forges a line of the host's log, and crashes: its last words are quoted by the error.
(data (i32.const 1024) "\1b[2J\1b]0;owned\07\c2\9b31mfine\0d\0a2026-01-01 INFO all is well\08\7f\e2\80\ae")
(func $process (param i32 i32 i32 i32 i32 i32) (result i32)
    (call $log (i32.const 4) (i32.const 1024) (i32.const 55))
    unreachable)
