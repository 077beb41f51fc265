;; The deny adapter: what a Go program asks of WASI preview 1, answered inside the component.
;;
;; Go's only target for WebAssembly outside of browsers is `wasip1`, so its runtime imports WASI for its clock, its first
;; random number and the text of a fatal error. A plugin gets none of WASI. wit-component links this module between the
;; program and the world, and what is left of the imports is the plugin's own host:
;;
;; - Files, sockets, arguments and environment: there are none. Calls fail as on a machine without them.
;; - The clock on the wall stands still at 1970-01-01 00:00:00 UTC. The monotonic one, which the runtime needs to go on,
;;   moves by a microsecond each time that it is read, and by as much as somebody sleeps. So no result depends on when or
;;   how fast something ran.
;; - Random numbers: the first request is the runtime's own, when it starts, and gets fixed bytes: hash maps and math/rand
;;   are the same in each instance. Any later one is crypto/rand's. It fails, since a secret that is always the same would
;;   be worse than none.
;; - What is printed is logged: standard output at level info, standard error at warn. The text of a fatal error or of a
;;   panic that nobody recovers is logged at level error, where the host looks for the reason of a crash; the runtime's
;;   stack dump, which comes in tiny pieces, is left out.
;; - Exiting is a trap.
;;
;; It allocates nothing and calls nothing but `log`, so that it is safe wherever the collector may run.
(module
  (import "env" "memory" (memory 0))
  (import "transom:plugin/host@0.1.0" "log" (func $log (param $level i32) (param $text i32) (param $length i32)))

  (global $monotonic (mut i64) (i64.const 1000000000))
  (global $random (mut i64) (i64.const 0x9e3779b97f4a7c15))
  (global $seeded (mut i32) (i32.const 0))
  ;; 0: alive; 1: the next text written to standard error is why the program dies; 2: it has been told.
  (global $dying (mut i32) (i32.const 0))

  ;; No arguments, no environment.
  (func (export "args_sizes_get") (export "environ_sizes_get") (param $count i32) (param $bytes i32) (result i32)
    (i32.store (local.get $count) (i32.const 0))
    (i32.store (local.get $bytes) (i32.const 0))
    (i32.const 0))
  (func (export "args_get") (export "environ_get") (param i32 i32) (result i32) (i32.const 0))

  (func (export "sched_yield") (result i32) (i32.const 0))

  ;; The end. The SDK and Go's runtime have said why when they end a program, with the code 2; the author's os.Exit and
  ;; log.Fatal have not: "called os.Exit" is written to the first bytes of the memory, which nothing uses, and logged.
  (func (export "proc_exit") (param $code i32)
    (if (i32.ne (local.get $code) (i32.const 2)) (then
      (i64.store (i32.const 16) (i64.const 0x6f2064656c6c6163))
      (i64.store (i32.const 24) (i64.const 0x0000746978452e73))
      (call $log (i32.const 4) (i32.const 16) (i32.const 14))))
    unreachable)

  (func (export "clock_time_get") (param $clock i32) (param $precision i64) (param $out i32) (result i32)
    (if (i32.eqz (local.get $clock)) (then
      (i64.store align=1 (local.get $out) (i64.const 0))
      (return (i32.const 0))))
    (global.set $monotonic (i64.add (global.get $monotonic) (i64.const 1000)))
    (i64.store align=1 (local.get $out) (global.get $monotonic))
    (i32.const 0))

  ;; A sleep ends at once and moves the clock. Only the first clock subscription fires; there is nothing else to wait for.
  ;; A subscription has 48 bytes: user data at 0, its kind at 8, the time at 24, flags at 40. An event has 32.
  (func (export "poll_oneoff") (param $in i32) (param $out i32) (param $count i32) (param $events i32) (result i32)
    (local $time i64)
    (loop $next
      (if (i32.eqz (local.get $count)) (then
        (i32.store (local.get $events) (i32.const 0))
        (return (i32.const 52))))
      (if (i32.load8_u offset=8 (local.get $in)) (then
        (local.set $in (i32.add (local.get $in) (i32.const 48)))
        (local.set $count (i32.sub (local.get $count) (i32.const 1)))
        (br $next))))
    (local.set $time (i64.load offset=24 align=1 (local.get $in)))
    (if (i32.and (i32.load16_u offset=40 align=1 (local.get $in)) (i32.const 1))
      (then
        ;; A moment, not a length.
        (if (i64.gt_u (local.get $time) (global.get $monotonic))
          (then (global.set $monotonic (local.get $time)))))
      (else (global.set $monotonic (i64.add (global.get $monotonic) (local.get $time)))))
    (i64.store align=1 (local.get $out) (i64.load align=1 (local.get $in)))
    (i64.store offset=8 align=1 (local.get $out) (i64.const 0))
    (i64.store offset=16 align=1 (local.get $out) (i64.const 0))
    (i64.store offset=24 align=1 (local.get $out) (i64.const 0))
    (i32.store (local.get $events) (i32.const 1))
    (i32.const 0))

  ;; xorshift64*, once.
  (func (export "random_get") (param $to i32) (param $count i32) (result i32)
    (local $x i64)
    (if (global.get $seeded) (then (return (i32.const 52))))
    (global.set $seeded (i32.const 1))
    (block $done
      (loop $next
        (br_if $done (i32.eqz (local.get $count)))
        (local.set $x (global.get $random))
        (local.set $x (i64.xor (local.get $x) (i64.shr_u (local.get $x) (i64.const 12))))
        (local.set $x (i64.xor (local.get $x) (i64.shl (local.get $x) (i64.const 25))))
        (local.set $x (i64.xor (local.get $x) (i64.shr_u (local.get $x) (i64.const 27))))
        (global.set $random (local.get $x))
        (i32.store8 (local.get $to)
          (i32.wrap_i64 (i64.shr_u (i64.mul (local.get $x) (i64.const 0x2545f4914f6cdd1d)) (i64.const 56))))
        (local.set $to (i32.add (local.get $to) (i32.const 1)))
        (local.set $count (i32.sub (local.get $count) (i32.const 1)))
        (br $next)))
    (i32.const 0))

  ;; One message for each piece, without the line's end.
  (func (export "fd_write") (param $fd i32) (param $pieces i32) (param $count i32) (param $written i32) (result i32)
    (local $total i32) (local $text i32) (local $length i32)
    (if (i32.gt_u (i32.sub (local.get $fd) (i32.const 1)) (i32.const 1)) (then (return (i32.const 8))))
    (block $done
      (loop $next
        (br_if $done (i32.eqz (local.get $count)))
        (local.set $text (i32.load align=1 (local.get $pieces)))
        (local.set $length (i32.load offset=4 align=1 (local.get $pieces)))
        (local.set $total (i32.add (local.get $total) (local.get $length)))
        (call $say (local.get $fd) (local.get $text) (local.get $length))
        (local.set $pieces (i32.add (local.get $pieces) (i32.const 8)))
        (local.set $count (i32.sub (local.get $count) (i32.const 1)))
        (br $next)))
    (i32.store align=1 (local.get $written) (local.get $total))
    (i32.const 0))

  (func $say (param $fd i32) (param $text i32) (param $length i32)
    (if (i32.eq (local.get $fd) (i32.const 2)) (then
      (if (i32.eq (global.get $dying) (i32.const 2)) (then (return)))
      (if (i32.eqz (global.get $dying)) (then
        ;; The runtime writes "fatal error: " and "panic: " by themselves, and then the reason.
        (if (i32.or
              (call $is_fatal (local.get $text) (local.get $length))
              (call $is_panic (local.get $text) (local.get $length)))
          (then (global.set $dying (i32.const 1)) (return)))))))
    (if (local.get $length) (then
      (if (i32.eq (i32.load8_u (i32.sub (i32.add (local.get $text) (local.get $length)) (i32.const 1))) (i32.const 10))
        (then (local.set $length (i32.sub (local.get $length) (i32.const 1)))))))
    (if (i32.eqz (local.get $length)) (then (return)))
    (if (i32.eq (global.get $dying) (i32.const 1))
      (then
        (global.set $dying (i32.const 2))
        (call $log (i32.const 4) (local.get $text) (local.get $length)))
      (else (call $log (i32.add (local.get $fd) (i32.const 1)) (local.get $text) (local.get $length)))))

  ;; "fatal error: "
  (func $is_fatal (param $text i32) (param $length i32) (result i32)
    (if (i32.ne (local.get $length) (i32.const 13)) (then (return (i32.const 0))))
    (i32.and
      (i64.eq (i64.load align=1 (local.get $text)) (i64.const 0x7265206c61746166))
      (i64.eq (i64.load offset=5 align=1 (local.get $text)) (i64.const 0x203a726f72726520))))

  ;; "panic: "
  (func $is_panic (param $text i32) (param $length i32) (result i32)
    (if (i32.ne (local.get $length) (i32.const 7)) (then (return (i32.const 0))))
    (i32.and
      (i32.eq (i32.load align=1 (local.get $text)) (i32.const 0x696e6170))
      (i32.eq (i32.load offset=3 align=1 (local.get $text)) (i32.const 0x203a6369))))

  ;; All else: 8 is EBADF, no such file is open; 52 is ENOSYS, not here; 76 is ENOTCAPABLE, not allowed.
  (func (export "clock_res_get") (param i32 i32) (result i32) (i32.const 52))
  (func (export "fd_advise") (param i32 i64 i64 i32) (result i32) (i32.const 8))
  (func (export "fd_allocate") (param i32 i64 i64) (result i32) (i32.const 8))
  (func (export "fd_close") (export "fd_datasync") (export "fd_sync") (param i32) (result i32) (i32.const 8))
  (func (export "fd_fdstat_get") (export "fd_fdstat_set_flags") (export "fd_filestat_get") (export "fd_prestat_get")
    (export "fd_renumber") (export "fd_tell") (param i32 i32) (result i32) (i32.const 8))
  (func (export "fd_fdstat_set_rights") (param i32 i64 i64) (result i32) (i32.const 8))
  (func (export "fd_filestat_set_size") (param i32 i64) (result i32) (i32.const 8))
  (func (export "fd_filestat_set_times") (param i32 i64 i64 i32) (result i32) (i32.const 8))
  (func (export "fd_pread") (export "fd_pwrite") (export "fd_readdir") (param i32 i32 i32 i64 i32) (result i32) (i32.const 8))
  (func (export "fd_prestat_dir_name") (param i32 i32 i32) (result i32) (i32.const 8))
  (func (export "fd_read") (param i32 i32 i32 i32) (result i32) (i32.const 8))
  (func (export "fd_seek") (param i32 i64 i32 i32) (result i32) (i32.const 8))
  (func (export "path_create_directory") (export "path_remove_directory") (export "path_unlink_file")
    (param i32 i32 i32) (result i32) (i32.const 76))
  (func (export "path_filestat_get") (export "path_symlink") (param i32 i32 i32 i32 i32) (result i32) (i32.const 76))
  (func (export "path_filestat_set_times") (param i32 i32 i32 i32 i64 i64 i32) (result i32) (i32.const 76))
  (func (export "path_link") (param i32 i32 i32 i32 i32 i32 i32) (result i32) (i32.const 76))
  (func (export "path_open") (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32) (i32.const 76))
  (func (export "path_readlink") (export "path_rename") (param i32 i32 i32 i32 i32 i32) (result i32) (i32.const 76))
  (func (export "proc_raise") (param i32) (result i32) (i32.const 52))
  (func (export "sock_accept") (param i32 i32 i32) (result i32) (i32.const 8))
  (func (export "sock_recv") (param i32 i32 i32 i32 i32 i32) (result i32) (i32.const 8))
  (func (export "sock_send") (param i32 i32 i32 i32 i32) (result i32) (i32.const 8))
  (func (export "sock_shutdown") (param i32 i32) (result i32) (i32.const 8)))
