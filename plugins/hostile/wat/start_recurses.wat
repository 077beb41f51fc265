(func $deep (call $deep))
(start $deep)
