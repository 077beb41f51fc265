(table 1 funcref)
(type $function (func (result i32)))
(func $process (param i32 i32 i32 i32 i32 i32) (result i32)
    (call_indirect (type $function) (i32.const 0)))
