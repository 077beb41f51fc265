// Package transomarrow lets a plugin work on the arrays of Apache Arrow's own Go library.
//
// A transform that was opened with columns of [transom.Batch] turns them into arrays, works on those, and emits columns again:
//
//	schema, err := transomarrow.Schema(fields)            // once, when the transform is opened
//	record := transomarrow.Record(schema, batch)          // for each batch, without a copy
//	columns, err := transomarrow.Columns(result)
//	output.Emit(columns...)
//
// It is a module of its own, since arrow-go doubles the size of a plugin. It imports only arrow, arrow/array and arrow/memory:
// compute, ipc and parquet would cost more than that again.
package transomarrow

import (
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	transom "github.com/transom-data/transom/plugins/sdk/go"
)

// Record is a batch as a record batch, without a copy: it points into the same memory. The schema is that of the columns which
// the transform reads, in their order.
func Record(schema *arrow.Schema, batch *transom.Batch) arrow.RecordBatch {
	arrays := make([]arrow.Array, len(batch.Columns))
	for i, column := range batch.Columns {
		arrays[i] = Array(schema.Field(i).Type, column)
	}
	return array.NewRecordBatch(schema, arrays, int64(batch.Rows))
}

// Array is a column as an array, without a copy.
func Array(dataType arrow.DataType, column *transom.Column) arrow.Array {
	return array.MakeFromData(dataOf(dataType, column))
}

func dataOf(dataType arrow.DataType, column *transom.Column) arrow.ArrayData {
	var buffers []*memory.Buffer
	if column.NullCount() > 0 && len(column.Validity()) > 0 {
		buffers = append(buffers, memory.NewBufferBytes(column.Validity()))
	} else {
		buffers = append(buffers, nil)
	}
	for _, buffer := range column.Buffers() {
		buffers = append(buffers, memory.NewBufferBytes(buffer))
	}
	var children []arrow.ArrayData
	for i, child := range column.Children() {
		children = append(children, dataOf(childType(dataType, i), child))
	}
	return array.NewData(dataType, column.Len(), buffers, children, column.NullCount(), 0)
}

func childType(dataType arrow.DataType, index int) arrow.DataType {
	if m, ok := dataType.(*arrow.MapType); ok {
		return m.Elem()
	}
	return dataType.(arrow.NestedType).Fields()[index].Type
}

// Columns are the arrays of a record batch as columns. Arrays that are slices of longer ones are copied.
func Columns(record arrow.RecordBatch) ([]*transom.Column, error) {
	columns := make([]*transom.Column, record.NumCols())
	for i, a := range record.Columns() {
		var err error
		if columns[i], err = Column(a); err != nil {
			return nil, fmt.Errorf("the column `%s`: %w", record.ColumnName(i), err)
		}
	}
	return columns, nil
}

// Column is an array as a column. An array that is a slice of a longer one is copied.
func Column(a arrow.Array) (*transom.Column, error) {
	if isSlice(a.Data()) {
		whole, err := array.Concatenate([]arrow.Array{a}, memory.DefaultAllocator)
		if err != nil {
			return nil, err
		}
		a = whole
	}
	return columnOf(a.Data())
}

// isSlice says whether the data do not begin where their buffers begin.
func isSlice(data arrow.ArrayData) bool {
	if data.Offset() != 0 {
		return true
	}
	for _, child := range data.Children() {
		if isSlice(child) {
			return true
		}
	}
	return false
}

func columnOf(data arrow.ArrayData) (*transom.Column, error) {
	field, err := FieldOf(arrow.Field{Type: data.DataType()})
	if err != nil {
		return nil, err
	}
	nulls := nullCount(data)
	var validity []byte
	var buffers [][]byte
	for i, buffer := range data.Buffers() {
		switch {
		case i == 0 && buffer != nil && nulls > 0:
			validity = buffer.Bytes()
		case i > 0 && buffer == nil:
			buffers = append(buffers, nil)
		case i > 0:
			buffers = append(buffers, buffer.Bytes())
		}
	}
	trim(field.Format, data.Len(), &validity, buffers)
	var children []*transom.Column
	for _, child := range data.Children() {
		column, err := columnOf(child)
		if err != nil {
			return nil, err
		}
		children = append(children, column)
	}
	return transom.ColumnFromBuffers(field.Format, data.Len(), nulls, validity, buffers, children...), nil
}

// nullCount counts where arrow-go has not done so yet.
func nullCount(data arrow.ArrayData) int {
	switch {
	case data.DataType().ID() == arrow.NULL:
		return data.Len()
	case data.NullN() >= 0:
		return data.NullN()
	}
	a := array.MakeFromData(data)
	defer a.Release()
	return a.NullN()
}

// trim leaves out what a buffer has more than its rows need: builders make them larger.
func trim(format string, rows int, validity *[]byte, buffers [][]byte) {
	bits := (rows + 7) / 8
	*validity = (*validity)[:min(len(*validity), bits)]
	if len(buffers) == 0 {
		return
	}
	if width := transom.ValueBytes(format); width > 0 {
		buffers[0] = buffers[0][:min(len(buffers[0]), rows*width)]
		return
	}
	switch format {
	case "b":
		buffers[0] = buffers[0][:min(len(buffers[0]), bits)]
	case "U", "Z", "+L":
		buffers[0] = buffers[0][:min(len(buffers[0]), (rows+1)*8)]
	default:
		buffers[0] = buffers[0][:min(len(buffers[0]), (rows+1)*4)]
	}
}
