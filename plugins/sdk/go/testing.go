// What transomtest needs to make columns of a slice of structs whose type it does not know, and back.

package transom

import (
	"fmt"
	"reflect"
	"unsafe"
)

// ColumnOfField makes a column of one field of a slice of structs. For tests.
func ColumnOfField(rows reflect.Value, index int) (Field, *Column, error) {
	field := rows.Type().Elem().Field(index)
	value, err := valueTypeOf(field.Type)
	if err != nil {
		return Field{}, nil, err
	}
	b := builder{value: value}
	b.reset()
	from := place{unsafe.Add(rows.UnsafePointer(), field.Offset), rows.Type().Elem().Size()}
	if row, err := b.write(from, rows.Len(), nil); err != nil {
		return Field{}, nil, fmt.Errorf("row %d: %w", row, err)
	}
	return value.field(""), b.column(), nil
}

// ReadField fills one field of a slice of structs, which has as many as the column has rows. For tests.
func ReadField(c *Column, rows reflect.Value, index int) error {
	field := rows.Type().Elem().Field(index)
	value, err := valueTypeOf(field.Type)
	switch {
	case err != nil:
		return err
	case !value.readsColumn(c):
		return fmt.Errorf("it is %s, not %s", columnTypeName(c), value.name())
	case value.hasNullItems(c):
		return fmt.Errorf("it has lists that hold nulls, which a %s cannot hold", field.Type)
	case c.nulls > 0 && !value.nullable:
		return fmt.Errorf("it has nulls, which a %s cannot hold", field.Type)
	}
	value.read(c, 0, c.length, place{unsafe.Add(rows.UnsafePointer(), field.Offset), rows.Type().Elem().Size()})
	return nil
}
