(func (export "cabi_post_transom:plugin/table@0.1.0#process") (param i32) unreachable)
