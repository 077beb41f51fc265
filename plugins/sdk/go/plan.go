// What a transform says when it is opened: the columns that it reads, and those of its output.

package transom

import "slices"

// Plan is the columns of a transform, given the columns of its input. Mistakes are kept and end the opening, so that none
// of the calls returns an error: a column that is not there or is of another type is an error of the pipeline.
//
// A column that is passed and not read never leaves the host: pass what need not be seen.
type Plan struct {
	input  Schema
	reads  []int
	output []outputColumn
	err    error
}

// outputColumn is carried over from the input column at `input`, or made by the transform when that is -1.
type outputColumn struct {
	input int
	field Field
}

// Input is the columns of the input.
func (p *Plan) Input() Schema { return p.input }

// Read asks for a column with values of type T. Where T is not [Null], the value of a null is arbitrary; ask the reader's
// Column which rows are null.
func Read[T any](p *Plan, name string) Reader[T] {
	value := mustValueType[T]()
	index := p.find(name)
	if index < 0 {
		return Reader[T]{}
	}
	if field := p.input[index]; !value.reads(field) {
		p.fail(Config("the column `%s` is %s, not %s", name, fieldTypeName(field), value.name()).AtColumn(name))
		return Reader[T]{}
	}
	return Reader[T]{value, p.read(index), new([]T)}
}

// ReadColumn asks for a column of any type and gives its place in the batches.
func (p *Plan) ReadColumn(name string) int {
	if index := p.find(name); index >= 0 {
		return p.read(index)
	}
	return 0
}

// ReadAll asks for every column of the input, in its order.
func (p *Plan) ReadAll() {
	for index := range p.input {
		p.read(index)
	}
}

// Pass carries columns over to the output. They keep their name and type.
func (p *Plan) Pass(names ...string) {
	for _, name := range names {
		if index := p.find(name); index >= 0 {
			p.output = append(p.output, outputColumn{index, p.input[index]})
		}
	}
}

// PassAll carries every column of the input over to the output.
func (p *Plan) PassAll() {
	for index, field := range p.input {
		p.output = append(p.output, outputColumn{index, field})
	}
}

// Compute adds a column of Go values of type T to the output; it is nullable when T is [Null].
func Compute[T any](p *Plan, name string) { p.Compute(FieldOf[T](name)) }

// Compute adds a column to the output.
func (p *Plan) Compute(field Field) { p.output = append(p.output, outputColumn{-1, field}) }

func (p *Plan) fail(err error) {
	if p.err == nil {
		p.err = err
	}
}

func (p *Plan) find(name string) int {
	index, err := p.input.lookup(name)
	if err != nil {
		p.fail(err)
		return -1
	}
	return index
}

// read asks for a column once, however often it is wanted, and gives its place in the batches.
func (p *Plan) read(index int) int {
	if field := p.input[index]; !readable(field) {
		p.fail(Config("column `%s` has type %s, which a plugin in Go cannot read", field.Name, field.Format).
			AtColumn(field.Name))
	}
	if at := slices.Index(p.reads, index); at >= 0 {
		return at
	}
	p.reads = append(p.reads, index)
	return len(p.reads) - 1
}

// computed columns, in their order.
func (p *Plan) computed() []Field {
	var fields []Field
	for _, column := range p.output {
		if column.input < 0 {
			fields = append(fields, column.field)
		}
	}
	return fields
}

// passes says whether a column is carried over.
func (p *Plan) passes() bool {
	return slices.ContainsFunc(p.output, func(column outputColumn) bool { return column.input >= 0 })
}

// readFields are the columns that batches hold.
func (p *Plan) readFields() []Field {
	fields := make([]Field, len(p.reads))
	for i, index := range p.reads {
		fields[i] = p.input[index]
	}
	return fields
}

// Reader is a column that a transform reads, with values of type T.
type Reader[T any] struct {
	value   valueType
	place   int
	scratch *[]T
}

// Values of the column, one a row. The slice is valid until the next call for another batch, and is not to be written to.
func (r Reader[T]) Values(batch *Batch) []T {
	*r.scratch = valuesInto(r.value, batch.Columns[r.place], *r.scratch)
	return *r.scratch
}

// Column is the column itself.
func (r Reader[T]) Column(batch *Batch) *Column { return batch.Columns[r.place] }
