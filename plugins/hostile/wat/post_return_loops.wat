;; The host calls this after it has read the result.
(func (export "cabi_post_transom:plugin/table@0.1.0#process") (param i32)
    (loop $again (br $again)))
