// Lists as Go slices: a column of lists is offsets into a column of items, a []T in Go has memory of its own.

package transom

import (
	"bytes"
	"fmt"
	"reflect"
	"unsafe"
)

// list is what a []T crosses as.
type list struct {
	item  valueType
	slice reflect.Type
}

// listOf finds how slices of type t cross. Items may be null in Arrow whatever T is: a null that T cannot hold is found row by row.
func listOf(t reflect.Type) (valueType, error) {
	item, err := valueTypeOf(t.Elem())
	if err != nil {
		return valueType{}, fmt.Errorf("the items of a %s: %w", t, err)
	}
	return valueType{kind: valueList, format: "+l", size: int(t.Size()), list: &list{item, t}}, nil
}

// field is a field of the type.
func (v valueType) field(name string) Field {
	field := Field{Name: name, Format: v.format, Nullable: v.nullable}
	if v.list != nil {
		item := v.list.item.field("item")
		item.Nullable = true
		field.Children = []Field{item}
	}
	return field
}

// reads says whether values of the type are read from columns of the field.
func (v valueType) reads(field Field) bool {
	if v.format != field.Format || v.list == nil {
		return v.format == field.Format
	}
	return len(field.Children) == 1 && v.list.item.reads(field.Children[0])
}

// readsColumn says whether values of the type are read from the column.
func (v valueType) readsColumn(c *Column) bool {
	if v.format != c.format || v.list == nil {
		return v.format == c.format
	}
	return len(c.children) == 1 && v.list.item.readsColumn(c.children[0])
}

// name of the type in messages.
func (v valueType) name() string { return fieldTypeName(v.field("")) }

// fieldTypeName is what Arrow calls the type of a field, with the items of a list.
func fieldTypeName(field Field) string {
	if (field.Format == "+l" || field.Format == "+L") && len(field.Children) == 1 {
		return typeName(field.Format) + "(" + fieldTypeName(field.Children[0]) + ")"
	}
	return typeName(field.Format)
}

// columnTypeName is what Arrow calls the type of a column.
func columnTypeName(c *Column) string {
	if (c.format == "+l" || c.format == "+L") && len(c.children) == 1 {
		return typeName(c.format) + "(" + columnTypeName(c.children[0]) + ")"
	}
	return typeName(c.format)
}

// hasNullItems says whether some row may hold a null item that the Go type cannot.
func (v valueType) hasNullItems(c *Column) bool {
	if v.list == nil {
		return false
	}
	items := c.children[0]
	return !v.list.item.nullable && items.nulls > 0 || v.list.item.hasNullItems(items)
}

// holdsNullItem says whether a row holds a null item that the Go type cannot.
func (v valueType) holdsNullItem(c *Column, row int) bool {
	if v.list == nil || c.IsNull(row) {
		return false
	}
	items := c.children[0]
	start, end := c.ListRange(row)
	for at := start; at < end; at++ {
		if !v.list.item.nullable && items.IsNull(at) || v.list.item.holdsNullItem(items, at) {
			return true
		}
	}
	return false
}

// nullItem is the reason why a row is rejected whose list holds a null.
func nullItem(name string) string {
	return "`" + name + "` holds a null, which its Go type cannot: a list of transom.Null does"
}

// readLists copies the lists of the rows [from, from+n): all their items go into one new piece of memory.
func (v valueType) readLists(c *Column, from, n int, to place) {
	first, _ := c.ListRange(from)
	_, last := c.ListRange(from + n - 1)
	items := reflect.MakeSlice(v.list.slice, last-first, last-first).UnsafePointer()
	stride := v.list.slice.Elem().Size()
	v.list.item.read(c.children[0], first, last-first, place{items, stride})
	for i := range n {
		start, end := c.ListRange(from + i)
		if start == end {
			*(*[]byte)(to.row(i)) = []byte{}
			continue
		}
		// A slice of any type is an address, a length and a capacity, which ends with the list.
		at := (*byte)(unsafe.Add(items, uintptr(start-first)*stride))
		*(*[]byte)(to.row(i)) = unsafe.Slice(at, end-start)
	}
}

// isSlice says whether a value is a slice, or a [Null] of one, so that its memory may be another value's too.
func (v valueType) isSlice() bool { return v.kind == valueBytes || v.kind == valueList }

// own copies what a slice points to, and what its items do.
func (v valueType) own(at unsafe.Pointer) {
	if v.kind == valueBytes {
		*(*[]byte)(at) = bytes.Clone(*(*[]byte)(at))
		return
	}
	slice := reflect.NewAt(v.list.slice, at).Elem()
	length := slice.Len()
	if length == 0 {
		return
	}
	copied := reflect.MakeSlice(v.list.slice, length, length)
	reflect.Copy(copied, slice)
	if v.list.item.isSlice() {
		items := place{copied.UnsafePointer(), v.list.slice.Elem().Size()}
		for i := range length {
			v.list.item.own(items.row(i))
		}
	}
	slice.Set(copied)
}

// writeLists appends n lists. A null has no items, whatever stands in its place.
func (b *builder) writeLists(from place, before, n int) (int, error) {
	if b.items == nil {
		b.items = &builder{value: b.value.list.item}
		b.items.reset()
	}
	stride := b.value.list.slice.Elem().Size()
	for i := range n {
		if items := *(*[]byte)(from.row(i)); len(items) > 0 && (b.nulls == 0 || !b.isNull(before+i)) {
			at := place{unsafe.Pointer(unsafe.SliceData(items)), stride}
			if _, err := b.items.write(at, len(items), nil); err != nil {
				return i, err
			}
		}
		if b.items.rows > maxData {
			return i, fmt.Errorf("the lists of a column have more than 2^31 items")
		}
		b.offsets = append(b.offsets, int32(b.items.rows))
	}
	return 0, nil
}
