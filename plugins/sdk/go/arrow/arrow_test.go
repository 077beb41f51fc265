// Every type that crosses, from arrow-go and back.

package transomarrow_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	transom "github.com/transom-data/transom/plugins/sdk/go"
	transomarrow "github.com/transom-data/transom/plugins/sdk/go/arrow"
	"github.com/transom-data/transom/plugins/sdk/go/transomtest"
)

// everyType has three rows of each type that crosses, as JSON.
var everyType = []struct {
	dataType arrow.DataType
	rows     string
}{
	{arrow.Null, `[null, null, null]`},
	{arrow.FixedWidthTypes.Boolean, `[true, null, false]`},
	{arrow.PrimitiveTypes.Int8, `[-1, null, 2]`},
	{arrow.PrimitiveTypes.Uint64, `[1, null, 2]`},
	{arrow.FixedWidthTypes.Float16, `[1.5, null, 2]`},
	{arrow.PrimitiveTypes.Float64, `[1.25, null, -2]`},
	{arrow.BinaryTypes.String, `["JFK", null, "Łódź"]`},
	{arrow.BinaryTypes.LargeString, `["JFK", "", null]`},
	{arrow.BinaryTypes.Binary, `["AAE=", null, ""]`},
	{&arrow.FixedSizeBinaryType{ByteWidth: 2}, `["AAE=", null, "AgM="]`},
	{&arrow.Decimal128Type{Precision: 18, Scale: 2}, `["12.50", null, "-0.01"]`},
	{&arrow.Decimal256Type{Precision: 60, Scale: 2}, `["12.50", null, "-0.01"]`},
	{&arrow.Decimal32Type{Precision: 9, Scale: 2}, `["12.50", null, "-0.01"]`},
	{arrow.FixedWidthTypes.Date32, `["2013-01-01", null, "1969-12-31"]`},
	{arrow.FixedWidthTypes.Time64us, `["05:17:00", null, "00:00:01"]`},
	{&arrow.TimestampType{Unit: arrow.Nanosecond, TimeZone: "America/New_York"}, `["2013-01-01 05:17:00Z", null, "2013-01-01 05:17:01Z"]`},
	{arrow.FixedWidthTypes.Duration_ms, `["1ms", null, "3ms"]`},
	{arrow.ListOf(arrow.PrimitiveTypes.Int32), `[[1, 2], null, [null]]`},
	{arrow.LargeListOf(arrow.BinaryTypes.String), `[["a"], [], null]`},
	{arrow.FixedSizeListOf(2, arrow.PrimitiveTypes.Int16), `[[1, 2], null, [3, null]]`},
	{arrow.StructOf(arrow.Field{Name: "a", Type: arrow.PrimitiveTypes.Int64, Nullable: true},
		arrow.Field{Name: "b", Type: arrow.ListOf(arrow.BinaryTypes.String)}), `[{"a": 1, "b": ["x"]}, null, {"a": null, "b": []}]`},
	{arrow.MapOf(arrow.BinaryTypes.String, arrow.PrimitiveTypes.Int64), `[[{"key": "a", "value": 1}], null, []]`},
}

func arrayOf(t *testing.T, dataType arrow.DataType, rows string) arrow.Array {
	t.Helper()
	a, _, err := array.FromJSON(memory.DefaultAllocator, dataType, strings.NewReader(rows))
	if err != nil {
		t.Fatalf("%s: %v", dataType, err)
	}
	return a
}

func TestEveryTypeCrossesBothWays(t *testing.T) {
	for _, c := range everyType {
		t.Run(c.dataType.String(), func(t *testing.T) {
			before := arrayOf(t, c.dataType, c.rows)
			field := arrow.Field{Name: "x", Type: c.dataType, Nullable: true, Metadata: arrow.MetadataFrom(map[string]string{"k": "v"})}
			described, err := transomarrow.FieldOf(field)
			if err != nil {
				t.Fatal(err)
			}
			if back, err := transomarrow.Field(described); err != nil || !back.Equal(field) {
				t.Fatalf("the field became %v: %v", back, err)
			}
			column, err := transomarrow.Column(before)
			if err != nil {
				t.Fatal(err)
			}
			if after := transomarrow.Array(c.dataType, column); !array.Equal(before, after) {
				t.Errorf("%s became %s", before, after)
			}
		})
	}
}

func TestASliceOfALongerArrayIsCut(t *testing.T) {
	for _, c := range everyType {
		slice := array.NewSlice(arrayOf(t, c.dataType, c.rows), 1, 3)
		column, err := transomarrow.Column(slice)
		if err != nil {
			t.Fatal(err)
		}
		if after := transomarrow.Array(c.dataType, column); !array.Equal(slice, after) {
			t.Errorf("%s became %s", slice, after)
		}
	}
}

func TestBuffersAreNoLongerThanTheirRowsNeed(t *testing.T) {
	builder := array.NewInt64Builder(memory.DefaultAllocator)
	builder.Reserve(1000)
	builder.AppendValues([]int64{1, 2, 3}, []bool{true, false, true})
	column, err := transomarrow.Column(builder.NewArray())
	if err != nil {
		t.Fatal(err)
	}
	if got := []int{len(column.Validity()), len(column.Buffers()[0])}; got[0] != 1 || got[1] != 24 {
		t.Errorf("got %v bytes", got)
	}
}

func TestATypeThatDoesNotCrossIsRefused(t *testing.T) {
	_, err := transomarrow.FieldOf(arrow.Field{Name: "x", Type: arrow.BinaryTypes.StringView})
	if want := "the column `x` is string_view: such columns do not cross; cast it to a plain type"; err == nil || err.Error() != want {
		t.Errorf("got %v", err)
	}
}

// lengths gives the length of each text, by arrays.
type lengths struct{ schema *arrow.Schema }

func openLengths(plan *transom.Plan, _ transom.NoOptions) (*lengths, error) {
	plan.ReadAll()
	plan.PassAll()
	field, err := transomarrow.FieldOf(arrow.Field{Name: "length", Type: arrow.PrimitiveTypes.Int64, Nullable: true})
	if err != nil {
		return nil, err
	}
	plan.Compute(field)
	schema, err := transomarrow.Schema(plan.Input())
	return &lengths{schema}, err
}

func (l *lengths) Process(batch *transom.Batch, output *transom.Output) error {
	texts := transomarrow.Record(l.schema, batch).Column(0).(*array.String)
	builder := array.NewInt64Builder(memory.DefaultAllocator)
	for row := range texts.Len() {
		if texts.IsNull(row) {
			builder.AppendNull()
		} else {
			builder.Append(int64(texts.ValueLen(row)))
		}
	}
	column, err := transomarrow.Column(builder.NewArray())
	if err != nil {
		return err
	}
	output.Emit(column)
	return nil
}

func TestATransformWorksOnArrays(t *testing.T) {
	transom.Transform("lengths", "Lengths of texts.", openLengths)
	type row struct {
		Text   transom.Null[string] `arrow:"text"`
		Length transom.Null[int64]  `arrow:"length"`
	}
	ran := transomtest.Run(t, "lengths", "", transomtest.Columns(
		transomtest.Column("text", transom.Some("Łódź"), transom.Null[string]{}, transom.Some(""))))
	if got := fmt.Sprint(transomtest.Rows[row](t, ran)); got != "[{Łódź 7} {null null} { 0}]" {
		t.Errorf("got %s", got)
	}
}
