// The host's side: what it asks of a plugin. Wasm exports and transomtest are built on it; plugins need none of it.

package transom

import (
	"fmt"
	"os"
)

// Host is what a plugin may ask of its host.
type Host interface {
	// Log takes one message.
	Log(level Level, message string)
	// Count adds to a counter of the run.
	Count(metric string, value uint64)
}

// host of this process: the real one in a component, the terminal under `go test`.
var host Host = terminal{}

// SetHost puts another host in place and returns the one before. For tests.
func SetHost(other Host) Host {
	before := host
	host = other
	return before
}

// terminal is the host of native programs.
type terminal struct{}

func (terminal) Log(level Level, message string) { fmt.Fprintf(os.Stderr, "%s: %s\n", level, message) }

func (terminal) Count(string, uint64) {}

// OpenFunction is an opened function, as the host has it. For tests.
type OpenFunction struct {
	call call
	body callFunc
}

// OpenFunctionByName opens a registered function on arguments of these types.
func OpenFunctionByName(name string, arguments Schema) (*OpenFunction, error) {
	for _, f := range plugin.functions {
		if f.name == name {
			if err := f.check(arguments); err != nil {
				return nil, err
			}
			return &OpenFunction{call{function: f}, f.body.open()}, nil
		}
	}
	return nil, Config("there is no function `%s`", name)
}

// Output is the field of the result.
func (f *OpenFunction) Output() Field { return f.call.function.output() }

// Rejection is a row of the input batch that was not taken, and why.
type Rejection struct {
	Row    int
	Reason string
}

// Call gives one column. It is valid until the next call.
func (f *OpenFunction) Call(arguments *Batch) (*Column, []Rejection, error) {
	column, refused, err := f.call.run(f.body, arguments)
	return column, rejections(refused), err
}

func rejections(refused []rejected) []Rejection {
	list := make([]Rejection, len(refused))
	for i, r := range refused {
		list[i] = Rejection{int(r.row), r.reason}
	}
	return list
}

// OpenTransform is an opened transform, as the host has it. For tests.
type OpenTransform struct{ table *table }

// OpenTransformByName opens a registered transform on an input, with options as a JSON object.
func OpenTransformByName(name string, input Schema, options string) (*OpenTransform, error) {
	t, err := openTable(name, input, []byte(options))
	if err != nil {
		return nil, err
	}
	return &OpenTransform{t}, nil
}

// Reads are the places of the input columns that it wants, in the order in which it wants them.
func (t *OpenTransform) Reads() []int { return t.table.plan.reads }

// OutputSchema is the columns of the output, those carried over among them.
func (t *OpenTransform) OutputSchema() Schema {
	var schema Schema
	for _, column := range t.table.plan.output {
		schema = append(schema, column.field)
	}
	return schema
}

// Step is one call on an opened transform.
type Step struct {
	// Batches are the output, assembled: computed columns and those that are carried over.
	Batches []*Batch
	// Rejected rows of the current batch.
	Rejected []Rejection
	// More says that Pull is to be called.
	More bool
}

// Process takes a batch with all columns of the input.
func (t *OpenTransform) Process(batch *Batch) (*Step, error) {
	read := &Batch{Rows: batch.Rows, Columns: make([]*Column, len(t.table.plan.reads))}
	for i, index := range t.table.plan.reads {
		read.Columns[i] = batch.Columns[index]
	}
	given, err := t.table.process(read)
	return t.step(given, batch, err)
}

// Pull goes on with the output for `batch`, the one last processed; nil after Finish.
func (t *OpenTransform) Pull(batch *Batch) (*Step, error) {
	given, err := t.table.pull()
	return t.step(given, batch, err)
}

// Finish ends the input.
func (t *OpenTransform) Finish(end End) (*Step, error) {
	given, err := t.table.finish(end)
	return t.step(given, nil, err)
}

// Save is the state; empty for a transform without.
func (t *OpenTransform) Save() ([]byte, error) { return t.table.save() }

// Restore goes on from what Save gave.
func (t *OpenTransform) Restore(state []byte) error { return t.table.restore(state) }

// step assembles the output as the host does, with copies: a transform may use its memory again.
func (t *OpenTransform) step(given outcome, input *Batch, err error) (*Step, error) {
	if err != nil {
		return nil, err
	}
	step := &Step{Rejected: rejections(given.rejected), More: given.more}
	for _, p := range given.parts {
		batch, all, computed := &Batch{Rows: p.length}, identity(p.length), 0
		for _, column := range t.table.plan.output {
			var c *Column
			switch {
			case column.input < 0:
				c = p.columns[computed].Take(all)
				computed++
			case input == nil:
				return nil, Internal("rows at the end cannot have columns that are carried over")
			case p.source == sourceOneToOne:
				c = input.Columns[column.input]
			default:
				c = input.Columns[column.input].Take(p.rows)
			}
			batch.Columns = append(batch.Columns, c)
		}
		step.Batches = append(step.Batches, batch)
	}
	return step, nil
}

func identity(n int) []uint32 {
	rows := make([]uint32, n)
	for i := range rows {
		rows[i] = uint32(i)
	}
	return rows
}

// OptionsSchema is the JSON Schema of a registered transform's options; empty when there is no such transform.
func OptionsSchema(name string) string {
	for _, t := range plugin.transforms {
		if t.name == name {
			return optionsSchema(t.options)
		}
	}
	return ""
}

// ValueBytes is the width of the values of a format in bytes; 0 when its columns have no buffer of values of one width. For
// bridges to Arrow libraries.
func ValueBytes(format string) int {
	if l, ok := layoutOf(format); ok && l.kind == layoutFixed {
		return l.width
	}
	return 0
}
