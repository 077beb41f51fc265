// Types: between Arrow's format strings and arrow-go's data types.

package transomarrow

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"

	transom "github.com/transom-data/transom/plugins/sdk/go"
)

var simpleTypes = map[string]arrow.DataType{
	"n": arrow.Null, "b": arrow.FixedWidthTypes.Boolean,
	"c": arrow.PrimitiveTypes.Int8, "s": arrow.PrimitiveTypes.Int16, "i": arrow.PrimitiveTypes.Int32,
	"l": arrow.PrimitiveTypes.Int64,
	"C": arrow.PrimitiveTypes.Uint8, "S": arrow.PrimitiveTypes.Uint16, "I": arrow.PrimitiveTypes.Uint32,
	"L": arrow.PrimitiveTypes.Uint64,
	"e": arrow.FixedWidthTypes.Float16, "f": arrow.PrimitiveTypes.Float32, "g": arrow.PrimitiveTypes.Float64,
	"u": arrow.BinaryTypes.String, "U": arrow.BinaryTypes.LargeString,
	"z": arrow.BinaryTypes.Binary, "Z": arrow.BinaryTypes.LargeBinary,
	"tdD": arrow.FixedWidthTypes.Date32, "tdm": arrow.FixedWidthTypes.Date64,
	"tts": arrow.FixedWidthTypes.Time32s, "ttm": arrow.FixedWidthTypes.Time32ms,
	"ttu": arrow.FixedWidthTypes.Time64us, "ttn": arrow.FixedWidthTypes.Time64ns,
	"tDs": arrow.FixedWidthTypes.Duration_s, "tDm": arrow.FixedWidthTypes.Duration_ms,
	"tDu": arrow.FixedWidthTypes.Duration_us, "tDn": arrow.FixedWidthTypes.Duration_ns,
	"tiM": arrow.FixedWidthTypes.MonthInterval, "tiD": arrow.FixedWidthTypes.DayTimeInterval,
	"tin": arrow.FixedWidthTypes.MonthDayNanoInterval,
}

var units = map[string]arrow.TimeUnit{
	"tss": arrow.Second, "tsm": arrow.Millisecond, "tsu": arrow.Microsecond, "tsn": arrow.Nanosecond,
}

// Schema is the columns of a table as arrow-go has them.
func Schema(fields transom.Schema) (*arrow.Schema, error) {
	converted := make([]arrow.Field, len(fields))
	for i, field := range fields {
		var err error
		if converted[i], err = Field(field); err != nil {
			return nil, err
		}
	}
	return arrow.NewSchema(converted, nil), nil
}

// Field is a column as arrow-go has it. The error is of the kind config.
func Field(field transom.Field) (arrow.Field, error) {
	dataType, err := typeOf(field)
	if err != nil {
		return arrow.Field{}, transom.Config("column `%s` has type %s, which arrow-go cannot hold: %w", field.Name,
			field.Format, err).AtColumn(field.Name)
	}
	converted := arrow.Field{Name: field.Name, Type: dataType, Nullable: field.Nullable}
	if len(field.Metadata) > 0 {
		converted.Metadata = arrow.MetadataFrom(field.Metadata)
	}
	return converted, nil
}

func typeOf(field transom.Field) (arrow.DataType, error) {
	if simple, ok := simpleTypes[field.Format]; ok {
		return simple, nil
	}
	children := make([]arrow.Field, len(field.Children))
	for i, child := range field.Children {
		var err error
		if children[i], err = Field(child); err != nil {
			return nil, err
		}
	}
	kind, rest, _ := strings.Cut(field.Format, ":")
	if unit, ok := units[kind]; ok {
		return &arrow.TimestampType{Unit: unit, TimeZone: rest}, nil
	}
	switch kind {
	case "d":
		return decimal(rest)
	case "w", "+w":
		width, err := strconv.Atoi(rest)
		if kind == "w" {
			return &arrow.FixedSizeBinaryType{ByteWidth: width}, err
		}
		return arrow.FixedSizeListOfField(int32(width), children[0]), err
	case "+l":
		return arrow.ListOfField(children[0]), nil
	case "+L":
		return arrow.LargeListOfField(children[0]), nil
	case "+s":
		return arrow.StructOf(children...), nil
	case "+m":
		entries := children[0].Type.(*arrow.StructType)
		return arrow.MapOfFields(entries.Field(0), entries.Field(1)), nil
	}
	return nil, fmt.Errorf("the format is not known")
}

func decimal(parameters string) (arrow.DataType, error) {
	numbers := make([]int, 0, 3)
	for _, part := range strings.Split(parameters, ",") {
		number, err := strconv.Atoi(part)
		if err != nil {
			return nil, err
		}
		numbers = append(numbers, number)
	}
	if len(numbers) == 2 {
		numbers = append(numbers, 128)
	}
	precision, scale := int32(numbers[0]), int32(numbers[1])
	switch numbers[2] {
	case 32:
		return &arrow.Decimal32Type{Precision: precision, Scale: scale}, nil
	case 64:
		return &arrow.Decimal64Type{Precision: precision, Scale: scale}, nil
	case 256:
		return &arrow.Decimal256Type{Precision: precision, Scale: scale}, nil
	}
	return &arrow.Decimal128Type{Precision: precision, Scale: scale}, nil
}

// FieldOf is a column of arrow-go as the contract has it, to be computed by a transform. Views, dictionaries, unions and
// run-end encoding do not cross; the error is of the kind internal.
func FieldOf(field arrow.Field) (transom.Field, error) {
	format, children, err := formatOf(field.Type)
	if err != nil {
		return transom.Field{}, transom.Internal("the column `%s` is %s: %w", field.Name, field.Type, err)
	}
	converted := transom.Field{Name: field.Name, Format: format, Nullable: field.Nullable}
	if field.HasMetadata() {
		converted.Metadata = field.Metadata.ToMap()
	}
	for _, child := range children {
		c, err := FieldOf(child)
		if err != nil {
			return transom.Field{}, err
		}
		converted.Children = append(converted.Children, c)
	}
	return converted, nil
}

func formatOf(dataType arrow.DataType) (string, []arrow.Field, error) {
	for format, simple := range simpleTypes {
		if arrow.TypeEqual(simple, dataType) {
			return format, nil, nil
		}
	}
	switch t := dataType.(type) {
	case *arrow.TimestampType:
		for kind, unit := range units {
			if unit == t.Unit {
				return kind + ":" + t.TimeZone, nil, nil
			}
		}
	case arrow.DecimalType:
		format := fmt.Sprintf("d:%d,%d", t.GetPrecision(), t.GetScale())
		if bits := t.BitWidth(); bits != 128 {
			format += fmt.Sprintf(",%d", bits)
		}
		return format, nil, nil
	case *arrow.FixedSizeBinaryType:
		return fmt.Sprintf("w:%d", t.ByteWidth), nil, nil
	case *arrow.FixedSizeListType:
		return fmt.Sprintf("+w:%d", t.Len()), t.Fields(), nil
	case *arrow.MapType:
		return "+m", []arrow.Field{{Name: "entries", Type: t.Elem()}}, nil
	case *arrow.ListType:
		return "+l", t.Fields(), nil
	case *arrow.LargeListType:
		return "+L", t.Fields(), nil
	case *arrow.StructType:
		return "+s", t.Fields(), nil
	}
	return "", nil, fmt.Errorf("such columns do not cross; cast it to a plain type")
}
