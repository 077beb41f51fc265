// Columns of every layout, and the place of a panic.

package transom

import (
	"fmt"
	"slices"
	"testing"
)

// bytesOf is little-endian values of a width.
func bytesOf(width int, values ...int64) []byte {
	var bytes []byte
	for _, value := range values {
		for i := range width {
			bytes = append(bytes, byte(value>>(8*min(i, 7))))
		}
	}
	return bytes
}

// show is the rows of a column, of any type.
func show(c *Column) string {
	rows := make([]string, c.length)
	for i := range rows {
		if c.IsNull(i) {
			rows[i] = "null"
			continue
		}
		switch l, _ := layoutOf(c.format); l.kind {
		case layoutBits:
			rows[i] = fmt.Sprint(bit(c.buffers[0], i))
		case layoutFixed:
			rows[i] = fmt.Sprintf("%x", c.buffers[0][i*l.width:(i+1)*l.width])
		case layoutBytes:
			if l.width == 8 {
				offsets := view[int64](c.buffers[0], c.length+1)
				rows[i] = string(c.buffers[1][offsets[i]:offsets[i+1]])
			} else {
				rows[i] = string(Values[[]byte](&Column{"z", c.length, 0, nil, c.buffers, nil})[i])
			}
		case layoutList, layoutFixedList:
			start, end := c.ListRange(i)
			items := make([]uint32, 0)
			for item := start; item < end; item++ {
				items = append(items, uint32(item))
			}
			rows[i] = show(c.children[0].Take(items))
		case layoutStruct:
			for _, child := range c.children {
				rows[i] += show(child.Take([]uint32{uint32(i)}))
			}
		}
	}
	return fmt.Sprint(rows)
}

// example is a column and what it shows.
type example struct {
	text   string
	column *Column
}

// columnsOfEachLayout have three rows.
func columnsOfEachLayout() []example {
	item := &Column{"i", 3, 1, []byte{0b011}, [][]byte{bytesOf(4, 1, 2, 0)}, nil}
	return []example{
		{"[null null null]", &Column{"n", 3, 3, nil, nil, nil}},
		{"[true null false]", &Column{"b", 3, 1, []byte{0b101}, [][]byte{{0b001}}, nil}},
		{"[0100 0200 ffff]", &Column{"s", 3, 0, nil, [][]byte{bytesOf(2, 1, 2, -1)}, nil}},
		{"[null 02000000 03000000]", &Column{"tdD", 3, 1, []byte{0b110}, [][]byte{bytesOf(4, 1, 2, 3)}, nil}},
		{"[0100000000000000 null 0300000000000000]", &Column{"tsn:UTC", 3, 1, []byte{0b101}, [][]byte{bytesOf(8, 1, 2, 3)}, nil}},
		{"[01000000000000000000000000000000 02000000000000000000000000000000 null]", &Column{"d:38,2", 3, 1, []byte{0b011}, [][]byte{bytesOf(16, 1, 2, 3)}, nil}},
		{"[JFK null Łódź]", &Column{"u", 3, 1, []byte{0b101}, [][]byte{bytesOf(4, 0, 3, 3, 10), []byte("JFKŁódź")}, nil}},
		{"[a b ]", &Column{"Z", 3, 0, nil, [][]byte{bytesOf(8, 0, 1, 2, 2), []byte("ab")}, nil}},
		{"[6162 6364 6566]", &Column{"w:2", 3, 0, nil, [][]byte{[]byte("abcdef")}, nil}},
		{"[[01000000 02000000] [] [null]]", &Column{"+l", 3, 0, nil, [][]byte{bytesOf(4, 0, 2, 2, 3)}, []*Column{item}}},
		{"[[01000000] null [null]]", &Column{"+L", 3, 1, []byte{0b101}, [][]byte{bytesOf(8, 0, 1, 2, 3)}, []*Column{item}}},
		{"[[01000000] [02000000] [null]]", &Column{"+w:1", 3, 0, nil, nil, []*Column{item}}},
		{"[[01000000] null [null]]", &Column{"+s", 3, 1, []byte{0b101}, nil, []*Column{item}}},
	}
}

func TestRowsOfEveryTypeAreTaken(t *testing.T) {
	for _, each := range columnsOfEachLayout() {
		want, column := each.text, each.column
		t.Run(column.format, func(t *testing.T) {
			if got := show(column); got != want {
				t.Fatalf("the column is %s, not %s", got, want)
			}
			taken := column.Take([]uint32{2, 0, 0})
			rows := []string{show(column.Take([]uint32{0})), show(column.Take([]uint32{2}))}
			first, last := rows[0][1:len(rows[0])-1], rows[1][1:len(rows[1])-1]
			if got, want := show(taken), fmt.Sprintf("[%s %s %s]", last, first, first); got != want {
				t.Errorf("got %s, want %s", got, want)
			}
		})
	}
}

func TestABatchIsTheSameAfterItWasSplitAndJoined(t *testing.T) {
	var columns []*Column
	var fields []Field
	for _, each := range columnsOfEachLayout() {
		column := each.column
		columns = append(columns, column)
		fields = append(fields, fieldOf(column))
	}
	nodes, buffers := join(nil, nil, columns...)
	for i, column := range split(fields, nodes, buffers) {
		if got, want := show(column), show(columns[i]); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	if flat := flatten(nil, fields...); !slices.EqualFunc(unflatten(flat), fields, Field.SameType) {
		t.Error("the fields are not the same")
	}
}

func fieldOf(c *Column) Field {
	field := Field{Format: c.format, Nullable: true}
	for _, child := range c.children {
		field.Children = append(field.Children, fieldOf(child))
	}
	return field
}

func TestValuesOfFixedSizeAreNotCopied(t *testing.T) {
	numbers := []int64{1, 2, 3}
	if back := Values[int64](NewColumn(numbers)); &back[0] != &numbers[0] {
		t.Error("they were copied")
	}
}

func TestBytesThatLieBadlyAreStillRead(t *testing.T) {
	bytes := append([]byte{0}, bytesOf(8, 5, -6)...)
	column := ColumnFromBuffers("l", 2, 0, nil, [][]byte{bytes[1:]})
	if got := Values[int64](column); !slices.Equal(got, []int64{5, -6}) {
		t.Errorf("got %v", got)
	}
}

func TestAppendingToAValueDoesNotWriteIntoTheNext(t *testing.T) {
	column := NewColumn([][]byte{[]byte("ab"), []byte("cd")})
	_ = append(Values[[]byte](column)[0], 'x')
	if got := string(Values[[]byte](column)[1]); got != "cd" {
		t.Errorf("got %s", got)
	}
}

func TestFormatsOfTheContractAreReadableAndNoOther(t *testing.T) {
	for format, name := range map[string]string{
		"d:9,2,32": "Decimal32(9, 2)", "d:38,2": "Decimal128(38, 2)", "d:76,2,256": "Decimal256(76, 2)", "tss:": "Timestamp(s)",
		"tsu:UTC": "Timestamp(µs, UTC)", "w:16": "FixedSizeBinary(16)", "tin": "Interval(MonthDayNano)",
	} {
		if !readable(Field{Format: format}) || typeName(format) != name {
			t.Errorf("%s is %s", format, typeName(format))
		}
	}
	for _, format := range []string{"vu", "+ud:0,1", "+r", "d:9,2,7", "w:x", ""} {
		if readable(Field{Format: "+l", Children: []Field{{Format: format}}}) {
			t.Errorf("%q is readable", format)
		}
	}
}

func TestAPanicIsToldWithItsPlace(t *testing.T) {
	defer func() {
		message := panicMessage(recover())
		if want := "panicked at go/column_test.go:"; len(message) < len(want) || message[:len(want)] != want {
			t.Errorf("got %s", message)
		}
	}()
	_ = Values[int64](NewColumn([]int64{1}))[len(t.Name())]
}
