// Between the buffers of a column and Go values in memory: a slice of values, or one field of a slice of structs.

package transom

import (
	"fmt"
	"slices"
	"unicode/utf8"
	"unsafe"
)

// place is where the values of consecutive rows stand in Go's memory: one every `stride` bytes from `at` on.
type place struct {
	at     unsafe.Pointer
	stride uintptr
}

func (p place) row(i int) unsafe.Pointer { return unsafe.Add(p.at, uintptr(i)*p.stride) }

func placeOf[T any](values []T) place {
	var zero T
	return place{unsafe.Pointer(unsafe.SliceData(values)), unsafe.Sizeof(zero)}
}

// read copies the rows [from, from+n) of a column of this type to consecutive places.
func (v valueType) read(c *Column, from, n int, to place) {
	if n == 0 {
		return
	}
	switch v.kind {
	case valueBool:
		for i := range n {
			*(*bool)(to.row(i)) = bit(c.buffers[0], from+i)
		}
	case valueFixed:
		switch v.size {
		case 1:
			readFixed[uint8](c, from, n, to)
		case 2:
			readFixed[uint16](c, from, n, to)
		case 4:
			readFixed[uint32](c, from, n, to)
		case 8:
			readFixed[uint64](c, from, n, to)
		case 16:
			readFixed[[2]uint64](c, from, n, to)
		}
	case valueString:
		offsets, data := view[int32](c.buffers[0], c.length+1), c.buffers[1]
		for i := range n {
			b := data[offsets[from+i]:offsets[from+i+1]]
			*(*string)(to.row(i)) = unsafe.String(unsafe.SliceData(b), len(b))
		}
	case valueBytes:
		offsets, data := view[int32](c.buffers[0], c.length+1), c.buffers[1]
		for i := range n {
			// The capacity ends with the value: appending to one must not write into the next.
			start, end := offsets[from+i], offsets[from+i+1]
			*(*[]byte)(to.row(i)) = data[start:end:end]
		}
	case valueList:
		v.readLists(c, from, n, to)
	}
	if !v.nullable {
		return
	}
	flags := place{unsafe.Add(to.at, v.validAt), to.stride}
	if c.nulls == 0 {
		for i := range n {
			*(*bool)(flags.row(i)) = true
		}
		return
	}
	for i := range n {
		isNull := c.IsNull(from + i)
		*(*bool)(flags.row(i)) = !isNull
		if isNull {
			v.zero(to.row(i))
		}
	}
}

// zero makes all nulls equal: what stands in the place of one is arbitrary.
func (v valueType) zero(at unsafe.Pointer) {
	switch v.kind {
	case valueString:
		*(*string)(at) = ""
	case valueBytes, valueList:
		*(*[]byte)(at) = nil
	default:
		clear(unsafe.Slice((*byte)(at), v.size))
	}
}

func readFixed[T any](c *Column, from, n int, to place) {
	for i, value := range view[T](c.buffers[0], c.length)[from : from+n] {
		*(*T)(to.row(i)) = value
	}
}

// builder gathers the values of an output column.
type builder struct {
	value    valueType
	rows     int
	nulls    int
	validity []byte // nil as long as nothing is null
	fixed    []byte // values, or bits
	offsets  []int32
	data     []byte
	items    *builder // of lists
}

// reset empties the builder. What it gave before is not valid any more.
func (b *builder) reset() {
	b.rows, b.nulls = 0, 0
	b.validity, b.fixed, b.data = b.validity[:0], b.fixed[:0], b.data[:0]
	b.offsets = append(b.offsets[:0], 0)
	if b.items != nil {
		b.items.reset()
	}
}

// write appends the values of n consecutive places. Rows whose bit in `valid` is not set are null; nil means that all are
// valid. It stops at a value that Arrow cannot hold and says which row that is.
func (b *builder) write(from place, n int, valid []byte) (int, error) {
	v, before := b.value, b.rows
	b.writeValidity(from, n, valid)
	switch v.kind {
	case valueBool:
		b.fixed = grown(b.fixed, (b.rows+7)/8)
		for i := range n {
			if *(*bool)(from.row(i)) {
				setBit(b.fixed, before+i)
			}
		}
	case valueFixed:
		b.fixed = grown(b.fixed, b.rows*v.size)
		switch v.size {
		case 1:
			writeFixed[uint8](b, before, from)
		case 2:
			writeFixed[uint16](b, before, from)
		case 4:
			writeFixed[uint32](b, before, from)
		case 8:
			writeFixed[uint64](b, before, from)
		case 16:
			writeFixed[[2]uint64](b, before, from)
			return v.checkDecimals(b.fixed[before*16:], n, func(i int) bool { return b.isNull(before + i) })
		}
	case valueString, valueBytes:
		return b.writeBytes(from, before, n)
	case valueList:
		return b.writeLists(from, before, n)
	}
	return 0, nil
}

// writeBytes appends texts. A string and a slice both begin with where they are and how long they are.
func (b *builder) writeBytes(from place, before, n int) (int, error) {
	size := len(b.data)
	for i := range n {
		if b.nulls == 0 || !b.isNull(before+i) {
			size += len(*(*string)(from.row(i)))
		}
		if size > maxData {
			return i, fmt.Errorf("the values of a column are more than 2 GiB")
		}
		b.offsets = append(b.offsets, int32(size))
	}
	data := slices.Grow(b.data, size-len(b.data))[:size]
	for i := range n {
		at := b.offsets[before+i]
		if end := b.offsets[before+i+1]; at < end {
			text := *(*string)(from.row(i))
			if b.value.kind == valueString {
				if err := checkText(text); err != nil {
					return i, err
				}
			}
			copy(data[at:end], text)
		}
	}
	b.data = data
	return 0, nil
}

// checkText refuses bytes that Arrow takes for no text.
func checkText(text string) error {
	const longest = 60
	switch {
	case utf8.ValidString(text):
		return nil
	case len(text) > longest:
		return fmt.Errorf("the text %q.. is not UTF-8", text[:longest])
	}
	return fmt.Errorf("the text %q is not UTF-8", text)
}

// maxData is how far 32-bit offsets reach.
const maxData = 1<<31 - 1

func (b *builder) isNull(row int) bool { return b.nulls > 0 && !bit(b.validity, row) }

func (b *builder) writeValidity(from place, n int, valid []byte) {
	v, before := b.value, b.rows
	b.rows += n
	if valid == nil && !v.nullable {
		if b.nulls > 0 {
			b.validity = grown(b.validity, (b.rows+7)/8)
			for i := range n {
				setBit(b.validity, before+i)
			}
		}
		return
	}
	if valid == nil && b.nulls == 0 && v.allValid(from, n) {
		return
	}
	for i := range n {
		isValid := (valid == nil || bit(valid, i)) && (!v.nullable || *(*bool)(unsafe.Add(from.row(i), v.validAt)))
		if isValid && b.nulls == 0 {
			continue
		}
		row := before + i
		if b.nulls == 0 {
			// The first null: all rows before it are valid.
			b.validity = grown(b.validity[:0], (row+7)/8)
			for before := range row {
				setBit(b.validity, before)
			}
		}
		b.validity = grown(b.validity, row/8+1)
		if isValid {
			setBit(b.validity, row)
		} else {
			b.nulls++
		}
	}
}

// allValid says that none of n nullable values is null: the common case, found out without a bitmap.
func (v valueType) allValid(from place, n int) bool {
	flags := place{unsafe.Add(from.at, v.validAt), from.stride}
	for i := range n {
		if !*(*bool)(flags.row(i)) {
			return false
		}
	}
	return true
}

func writeFixed[T any](b *builder, before int, from place) {
	values := view[T](b.fixed, b.rows)[before:]
	for i := range values {
		values[i] = *(*T)(from.row(i))
	}
}

// checkDecimals finds a number with more digits than its type has.
func (v valueType) checkDecimals(values []byte, n int, isNull func(int) bool) (int, error) {
	for i, words := range view[[2]uint64](values, n) {
		if !isNull(i) && !fits(words[0], int64(words[1]), v.precision) {
			return i, fmt.Errorf("a number has more than the %d digits of %s", v.precision, typeName(v.format))
		}
	}
	return 0, nil
}

// grown is b with a length of n; what is added is zero.
func grown(b []byte, n int) []byte {
	if n <= len(b) {
		return b
	}
	if n <= cap(b) {
		added := b[len(b):n]
		clear(added)
		return b[:n]
	}
	// Made of words, so that values can be viewed in place.
	bigger := raw(make([]uint64, (max(n, 2*len(b))+15)/16*2))[:n]
	copy(bigger, b)
	return bigger
}

// column is what was gathered. It is valid until reset.
func (b *builder) column() *Column {
	c := &Column{format: b.value.format, length: b.rows, nulls: b.nulls}
	if b.nulls > 0 {
		c.validity = b.validity[:(b.rows+7)/8]
	}
	switch b.value.kind {
	case valueBool:
		c.buffers = [][]byte{grown(b.fixed, (b.rows+7)/8)}
	case valueFixed:
		c.buffers = [][]byte{b.fixed}
	case valueString, valueBytes:
		if len(b.offsets) == 0 {
			b.offsets = append(b.offsets, 0)
		}
		c.buffers = [][]byte{raw(b.offsets), b.data}
	case valueList:
		if b.items == nil {
			b.items = &builder{value: b.value.list.item}
			b.items.reset()
		}
		c.buffers = [][]byte{raw(b.offsets)}
		c.children = []*Column{b.items.column()}
	}
	return c
}

// NewColumn makes a column of Go values. Fixed-size values are not copied: the slice belongs to the column from then on.
//
// It panics for a T that has no Arrow type, and for a decimal with more digits than its type.
func NewColumn[T any](values []T) *Column {
	value := mustValueType[T]()
	if value.kind == valueFixed && !value.nullable {
		data := raw(values)
		if value.precision > 0 {
			if row, err := value.checkDecimals(data, len(values), func(int) bool { return false }); err != nil {
				panic(fmt.Sprintf("row %d: %v", row, err))
			}
		}
		return &Column{format: value.format, length: len(values), buffers: [][]byte{data}}
	}
	b := builder{value: value}
	b.reset()
	if row, err := b.write(placeOf(values), len(values), nil); err != nil {
		panic(fmt.Sprintf("row %d: %v", row, err))
	}
	return b.column()
}

// Values of a column as a slice. Fixed-size values are not copied: the slice is not to be written to. Where T is not
// [Null], the value of a null is arbitrary.
//
// It panics when the column is of another type than T; [Read] finds that out when a transform is opened.
func Values[T any](c *Column) []T {
	return valuesInto[T](mustValueType[T](), c, nil)
}

// valuesInto decodes into `scratch`, which it makes larger where needed, unless no copy is needed.
func valuesInto[T any](value valueType, c *Column, scratch []T) []T {
	if !value.readsColumn(c) {
		panic(fmt.Sprintf("a column of type %s has no values of type %s", columnTypeName(c), value.name()))
	}
	if value.kind == valueFixed && !value.nullable {
		return view[T](c.buffers[0], c.length)
	}
	if cap(scratch) < c.length {
		scratch = make([]T, c.length)
	}
	scratch = scratch[:c.length]
	value.read(c, 0, c.length, placeOf(scratch))
	return scratch
}
