// A column as the contract has it: lengths and buffers, which cross the border as they are.

package transom

import (
	"math/bits"
	"slices"
	"unsafe"
)

// Column is one column of a batch, of any type. It is not written to once it is made.
//
// Use [Values] for its values as a slice, [NewColumn] to make one.
type Column struct {
	format   string
	length   int
	nulls    int
	validity []byte // one bit a row, least significant first; empty: no null
	buffers  [][]byte
	children []*Column
}

// ColumnFromBuffers makes a column of any type from its buffers: those that the Arrow columnar format lays out after the
// validity bitmap. An empty bitmap means that no value is null; `nulls` is then 0. For bridges to Arrow libraries.
func ColumnFromBuffers(format string, length, nulls int, validity []byte, buffers [][]byte, children ...*Column) *Column {
	return &Column{format, length, nulls, validity, buffers, children}
}

// Len is the number of rows.
func (c *Column) Len() int { return c.length }

// NullCount is the number of rows that are null.
func (c *Column) NullCount() int { return c.nulls }

// Format is the Arrow C data interface's format string of the type.
func (c *Column) Format() string { return c.format }

// Children of a list, struct or map.
func (c *Column) Children() []*Column { return c.children }

// Field is a field of the column's type, nullable like its children.
func (c *Column) Field(name string) Field {
	field := Field{Name: name, Format: c.format, Nullable: true}
	for _, child := range c.children {
		field.Children = append(field.Children, child.Field("item"))
	}
	return field
}

// Validity is the bitmap that says which rows are not null, least significant bit first; empty when none is null.
func (c *Column) Validity() []byte { return c.validity }

// Buffers are those after the validity bitmap, as the Arrow columnar format lays them out.
func (c *Column) Buffers() [][]byte { return c.buffers }

// IsNull says whether a row is null.
func (c *Column) IsNull(row int) bool {
	if c.nulls == 0 {
		return false
	}
	return len(c.validity) == 0 || !bit(c.validity, row)
}

// ListRange is where the items of a row of a list or map stand in its child: from `start` up to `end`.
func (c *Column) ListRange(row int) (start, end int) {
	l, _ := layoutOf(c.format)
	switch {
	case l.kind == layoutFixedList:
		return row * l.width, (row + 1) * l.width
	case l.kind == layoutList && l.width == 8:
		offsets := view[int64](c.buffers[0], c.length+1)
		return int(offsets[row]), int(offsets[row+1])
	case l.kind == layoutList:
		offsets := view[int32](c.buffers[0], c.length+1)
		return int(offsets[row]), int(offsets[row+1])
	}
	panic("a column of type " + typeName(c.format) + " is no list")
}

// sameShape says whether the column has the type of the field.
func (c *Column) sameShape(field Field) bool {
	return c.format == field.Format && slices.EqualFunc(c.children, field.Children, func(c *Column, f Field) bool {
		return c.sameShape(f)
	})
}

// Batch is a number of rows as columns.
type Batch struct {
	// Rows counts them; it does not follow from the columns, of which there may be none.
	Rows int
	// Columns in the order in which they were asked for.
	Columns []*Column
}

// node is length and null count of one array, as the contract lays it out.
type node struct{ length, nulls uint32 }

// split makes columns of the nodes and buffers of a batch. The host has laid them out: it is not checked again.
func split(fields []Field, nodes []node, buffers [][]byte) []*Column {
	var one func(Field) *Column
	one = func(field Field) *Column {
		l, _ := layoutOf(field.Format)
		c := &Column{format: field.Format, length: int(nodes[0].length), nulls: int(nodes[0].nulls)}
		nodes = nodes[1:]
		if l.kind != layoutNull {
			c.validity, buffers = buffers[0], buffers[1:]
		}
		c.buffers, buffers = buffers[:l.buffers():l.buffers()], buffers[l.buffers():]
		if len(field.Children) > 0 {
			c.children = make([]*Column, len(field.Children))
			for i, child := range field.Children {
				c.children[i] = one(child)
			}
		}
		return c
	}
	columns := make([]*Column, len(fields))
	for i, field := range fields {
		columns[i] = one(field)
	}
	return columns
}

// join lists the nodes and buffers of columns, the way back from split.
func join(nodes []node, buffers [][]byte, columns ...*Column) ([]node, [][]byte) {
	for _, c := range columns {
		nodes = append(nodes, node{uint32(c.length), uint32(c.nulls)})
		if l, _ := layoutOf(c.format); l.kind != layoutNull {
			validity := c.validity
			if c.nulls == 0 {
				validity = nil
			}
			buffers = append(append(buffers, validity), c.buffers...)
		}
		nodes, buffers = join(nodes, buffers, c.children...)
	}
	return nodes, buffers
}

func bit(bitmap []byte, i int) bool { return bitmap[i>>3]>>(i&7)&1 == 1 }

func setBit(bitmap []byte, i int) { bitmap[i>>3] |= 1 << (i & 7) }

// newBitmap of n bits, none set.
func newBitmap(n int) []byte { return make([]byte, (n+7)/8) }

// view is bytes as values, without a copy. Buffers are aligned to 16 bytes where the SDK made or received them; bytes from
// elsewhere may lie worse, and are copied then.
func view[T any](b []byte, n int) []T {
	var zero T
	size := int(unsafe.Sizeof(zero))
	if n == 0 || size == 0 {
		return make([]T, n)
	}
	if len(b) < n*size && n == 1 && len(b) == 0 {
		return make([]T, 1) // offsets of a column without rows may be left out
	}
	b = b[:n*size]
	if uintptr(unsafe.Pointer(unsafe.SliceData(b)))%unsafe.Alignof(zero) != 0 {
		aligned := make([]T, n)
		copy(raw(aligned), b)
		return aligned
	}
	return unsafe.Slice((*T)(unsafe.Pointer(unsafe.SliceData(b))), n)
}

// raw is values as bytes, without a copy. T holds no pointer.
func raw[T any](values []T) []byte {
	var zero T
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(values))), len(values)*int(unsafe.Sizeof(zero)))
}

func countBits(bitmap []byte, n int) int {
	count := 0
	for i := range n / 8 {
		count += bits.OnesCount8(bitmap[i])
	}
	for i := n &^ 7; i < n; i++ {
		if bit(bitmap, i) {
			count++
		}
	}
	return count
}
