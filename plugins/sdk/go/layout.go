// What the buffers of a column are, as its format string says, and what its type is called in messages.

package transom

import (
	"strconv"
	"strings"
)

type layoutKind uint8

const (
	// layoutNull has no buffers at all, validity included.
	layoutNull layoutKind = iota
	// layoutBits is one bitmap.
	layoutBits
	// layoutFixed is values of `width` bytes.
	layoutFixed
	// layoutBytes is offsets of `width` bytes, then data.
	layoutBytes
	// layoutList is offsets of `width` bytes into a child.
	layoutList
	// layoutFixedList is a child with `width` items for each row.
	layoutFixedList
	// layoutStruct is children as long as the column.
	layoutStruct
)

type layout struct {
	kind  layoutKind
	width int
}

// buffers after the validity bitmap.
func (l layout) buffers() int {
	switch l.kind {
	case layoutBits, layoutFixed, layoutList:
		return 1
	case layoutBytes:
		return 2
	}
	return 0
}

var simpleLayouts = map[string]layout{
	"n": {layoutNull, 0}, "b": {layoutBits, 0},
	"c": {layoutFixed, 1}, "C": {layoutFixed, 1}, "s": {layoutFixed, 2}, "S": {layoutFixed, 2}, "e": {layoutFixed, 2},
	"i": {layoutFixed, 4}, "I": {layoutFixed, 4}, "f": {layoutFixed, 4},
	"l": {layoutFixed, 8}, "L": {layoutFixed, 8}, "g": {layoutFixed, 8},
	"u": {layoutBytes, 4}, "z": {layoutBytes, 4}, "U": {layoutBytes, 8}, "Z": {layoutBytes, 8},
	"tdD": {layoutFixed, 4}, "tdm": {layoutFixed, 8},
	"tts": {layoutFixed, 4}, "ttm": {layoutFixed, 4}, "ttu": {layoutFixed, 8}, "ttn": {layoutFixed, 8},
	"tDs": {layoutFixed, 8}, "tDm": {layoutFixed, 8}, "tDu": {layoutFixed, 8}, "tDn": {layoutFixed, 8},
	"tiM": {layoutFixed, 4}, "tiD": {layoutFixed, 8}, "tin": {layoutFixed, 16},
	"+l": {layoutList, 4}, "+L": {layoutList, 8}, "+m": {layoutList, 4}, "+s": {layoutStruct, 0},
}

// layoutOf tells the layout of a format; false for a format that is none of the contract's.
func layoutOf(format string) (layout, bool) {
	if l, ok := simpleLayouts[format]; ok {
		return l, true
	}
	kind, rest, ok := strings.Cut(format, ":")
	if !ok {
		return layout{}, false
	}
	switch kind {
	case "tss", "tsm", "tsu", "tsn":
		return layout{layoutFixed, 8}, true
	case "w", "+w":
		width, err := strconv.Atoi(rest)
		if kind == "w" {
			return layout{layoutFixed, width}, err == nil && width >= 0
		}
		return layout{layoutFixedList, width}, err == nil && width >= 0
	case "d":
		bits := "128"
		if parts := strings.Split(rest, ","); len(parts) == 3 {
			bits = parts[2]
		}
		n, err := strconv.Atoi(bits)
		return layout{layoutFixed, n / 8}, err == nil && (n == 32 || n == 64 || n == 128 || n == 256)
	}
	return layout{}, false
}

// readable says whether the SDK knows the layout of a field and of all its children.
func readable(field Field) bool {
	if _, ok := layoutOf(field.Format); !ok {
		return false
	}
	for _, child := range field.Children {
		if !readable(child) {
			return false
		}
	}
	return true
}

var typeNames = map[string]string{
	"n": "Null", "b": "Boolean", "c": "Int8", "s": "Int16", "i": "Int32", "l": "Int64",
	"C": "UInt8", "S": "UInt16", "I": "UInt32", "L": "UInt64", "e": "Float16", "f": "Float32", "g": "Float64",
	"u": "Utf8", "U": "LargeUtf8", "z": "Binary", "Z": "LargeBinary", "tdD": "Date32", "tdm": "Date64",
	"tts": "Time32(s)", "ttm": "Time32(ms)", "ttu": "Time64(µs)", "ttn": "Time64(ns)",
	"tDs": "Duration(s)", "tDm": "Duration(ms)", "tDu": "Duration(µs)", "tDn": "Duration(ns)",
	"tiM": "Interval(YearMonth)", "tiD": "Interval(DayTime)", "tin": "Interval(MonthDayNano)",
	"+l": "List", "+L": "LargeList", "+s": "Struct", "+m": "Map",
}

var timestampUnits = map[byte]string{'s': "s", 'm': "ms", 'u': "µs", 'n': "ns"}

// typeName is what Arrow calls a format.
func typeName(format string) string {
	if name, ok := typeNames[format]; ok {
		return name
	}
	kind, rest, _ := strings.Cut(format, ":")
	switch {
	case len(kind) == 3 && strings.HasPrefix(kind, "ts"):
		if rest == "" {
			return "Timestamp(" + timestampUnits[kind[2]] + ")"
		}
		return "Timestamp(" + timestampUnits[kind[2]] + ", " + rest + ")"
	case kind == "d":
		parts := strings.Split(rest, ",")
		bits := "128"
		if len(parts) == 3 {
			bits, parts = parts[2], parts[:2]
		}
		return "Decimal" + bits + "(" + strings.Join(parts, ", ") + ")"
	case kind == "w":
		return "FixedSizeBinary(" + rest + ")"
	case kind == "+w":
		return "FixedSizeList(" + rest + ")"
	}
	return "`" + format + "`"
}
