// Which Arrow type a Go type crosses as, found out by reflection once, when something is registered.

package transom

import (
	"fmt"
	"reflect"
	"time"
)

type valueKind uint8

const (
	valueBool valueKind = iota
	// valueFixed has in Go the very bytes that it has in Arrow.
	valueFixed
	valueString
	valueBytes
	valueList
)

// valueType is how values of a Go type cross.
type valueType struct {
	kind   valueKind
	format string
	// size of a value in Go, of a fixed one in Arrow as well.
	size int
	// precision of a decimal, whose values are checked on the way out; 0 for all else.
	precision int
	// nullable: the Go type is Null; its flag stands `validAt` bytes after the value.
	nullable bool
	validAt  uintptr
	// list is what a slice crosses as; nil for all else.
	list *list
}

var formatsOfTypes = map[reflect.Type]string{
	reflect.TypeFor[Date]():      "tdD",
	reflect.TypeFor[Time]():      "ttu",
	reflect.TypeFor[Timestamp](): "tsu:",
	reflect.TypeFor[Instant]():   "tsu:UTC",
	reflect.TypeFor[Duration]():  "tDu",
}

var formatsOfKinds = map[reflect.Kind]string{
	reflect.Int8: "c", reflect.Int16: "s", reflect.Int32: "i", reflect.Int64: "l", reflect.Int: "l",
	reflect.Uint8: "C", reflect.Uint16: "S", reflect.Uint32: "I", reflect.Uint64: "L", reflect.Uint: "L",
	reflect.Float32: "f", reflect.Float64: "g",
}

type decimalDigits interface{ digits() (precision, scale int) }

type nullMarker interface{ isNull() }

// valueTypeOf finds how values of t cross; the error says why they cannot.
func valueTypeOf(t reflect.Type) (valueType, error) {
	if t.Implements(reflect.TypeFor[nullMarker]()) && t.Kind() == reflect.Struct {
		value, err := valueTypeOf(t.Field(0).Type)
		if err == nil && value.nullable {
			err = fmt.Errorf("a %s cannot be null twice", t)
		}
		value.nullable, value.validAt = true, t.Field(1).Offset
		return value, err
	}
	if format, ok := formatsOfTypes[t]; ok {
		return valueType{kind: valueFixed, format: format, size: int(t.Size())}, nil
	}
	if t.Implements(reflect.TypeFor[decimalDigits]()) && t.Kind() == reflect.Struct {
		precision, scale := reflect.Zero(t).Interface().(decimalDigits).digits()
		if precision < 1 || precision > 38 || scale > precision {
			return valueType{}, fmt.Errorf("a decimal has 1 to 38 digits, and no more behind the point; %s has %d and %d",
				t, precision, scale)
		}
		format := fmt.Sprintf("d:%d,%d", precision, scale)
		return valueType{kind: valueFixed, format: format, size: 16, precision: precision}, nil
	}
	switch t {
	case reflect.TypeFor[time.Time]():
		return valueType{}, fmt.Errorf("a time.Time has no Arrow type; use Instant, Timestamp or Date")
	case reflect.TypeFor[time.Duration]():
		return valueType{}, fmt.Errorf("a time.Duration has no Arrow type; use Duration")
	}
	switch t.Kind() {
	case reflect.Bool:
		return valueType{kind: valueBool, format: "b", size: 1}, nil
	case reflect.String:
		return valueType{kind: valueString, format: "u", size: int(t.Size())}, nil
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Uint8 {
			return valueType{kind: valueBytes, format: "z", size: int(t.Size())}, nil
		}
		return listOf(t)
	}
	if format, ok := formatsOfKinds[t.Kind()]; ok {
		return valueType{kind: valueFixed, format: format, size: int(t.Size())}, nil
	}
	return valueType{}, fmt.Errorf("a %s has no Arrow type; the package's documentation lists those that have", t)
}

func mustValueType[T any]() valueType {
	value, err := valueTypeOf(reflect.TypeFor[T]())
	if err != nil {
		panic("transom: " + err.Error())
	}
	return value
}
