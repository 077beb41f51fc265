// Tables of tests: from slices of structs, and back.

package transomtest

import (
	"fmt"
	"reflect"
	"testing"

	transom "github.com/transom-data/transom/plugins/sdk/go"
)

// Table is a batch with its schema, for columns that no struct can hold.
type Table struct {
	Schema transom.Schema
	Batch  *transom.Batch
}

// Columns makes a table of named columns. All are nullable.
func Columns(columns ...Named) Table {
	table := Table{Batch: &transom.Batch{}}
	for _, c := range columns {
		table.Schema = append(table.Schema, c.Column.Field(c.Name))
		table.Batch.Columns = append(table.Batch.Columns, c.Column)
		table.Batch.Rows = c.Column.Len()
	}
	return table
}

// Named is a column with its name.
type Named struct {
	Name   string
	Column *transom.Column
}

// Column names a column of Go values.
func Column[T any](name string, values ...T) Named {
	return Named{name, transom.NewColumn(values)}
}

// tableOf turns a slice of structs into a table.
func tableOf(batch any) (Table, error) {
	if table, ok := batch.(Table); ok {
		return table, nil
	}
	rows := reflect.ValueOf(batch)
	if rows.Kind() != reflect.Slice || rows.Type().Elem().Kind() != reflect.Struct {
		return Table{}, fmt.Errorf("it is a %T; a batch is a slice of structs or a Table", batch)
	}
	row, table := rows.Type().Elem(), Table{Batch: &transom.Batch{Rows: rows.Len()}}
	for i := range row.NumField() {
		field := row.Field(i)
		name, ok := field.Tag.Lookup("arrow")
		if !ok {
			continue
		}
		described, column, err := transom.ColumnOfField(rows, i)
		if err != nil {
			return Table{}, fmt.Errorf("the field `%s`: %w", field.Name, err)
		}
		described.Name = name
		table.Schema = append(table.Schema, described)
		table.Batch.Columns = append(table.Batch.Columns, column)
	}
	return table, nil
}

// Rows is the output as structs whose fields name their columns; it need not name all. A column that is null somewhere
// must be a Null.
func Rows[Out any](t testing.TB, ran *Ran) []Out {
	t.Helper()
	var all []Out
	row := reflect.TypeFor[Out]()
	for _, batch := range ran.Batches {
		rows := make([]Out, batch.Rows)
		for i := range row.NumField() {
			name, ok := row.Field(i).Tag.Lookup("arrow")
			if !ok {
				continue
			}
			column := ran.Schema.Index(name)
			if column < 0 {
				t.Fatalf("the output has no column `%s`", name)
			}
			if err := transom.ReadField(batch.Columns[column], reflect.ValueOf(rows), i); err != nil {
				t.Fatalf("the column `%s`: %v", name, err)
			}
		}
		all = append(all, rows...)
	}
	return all
}
