;; Never comes to be an instance.
(func $start (loop $again (br $again)))
(start $start)
