// Package transomtest runs a plugin's registered transforms and functions in unit tests: through the same calls as the host
// makes, without Wasm.
//
//	func TestAPauseBeginsASession(t *testing.T) {
//		ran := transomtest.Run(t, "sessions", `{"pause_seconds": 1800}`, []Click{{"a", 0}, {"a", 4000}})
//		got := transomtest.Rows[Numbered](t, ran)
//		...
//	}
package transomtest

import (
	"errors"
	"fmt"
	"testing"

	transom "github.com/transom-data/transom/plugins/sdk/go"
)

// Rejected is a row that was left out.
type Rejected struct {
	// Batch and Row say which it was, both from 0.
	Batch, Row int
	// Reason is why.
	Reason string
}

// Ran is what a run gave.
type Ran struct {
	// Schema of the output, columns that were carried over among them.
	Schema transom.Schema
	// Batches of the output, one for each time that rows were emitted.
	Batches []*transom.Batch
	// Rejected rows, in the order in which they were rejected.
	Rejected []Rejected
	// State as JSON; empty for a transform without.
	State string
	// Log has each message, with its level before it: "info: batch of 3 rows".
	Log []string
	// Counts of the counters.
	Counts map[string]uint64
}

// Log takes what a plugin says.
func (r *Ran) log(level transom.Level, message string) {
	r.Log = append(r.Log, level.String()+": "+message)
}

type listener struct{ ran *Ran }

func (l listener) Log(level transom.Level, message string) { l.ran.log(level, message) }

func (l listener) Count(metric string, value uint64) { l.ran.Counts[metric] += value }

// Run runs a registered transform over batches to the end of the input, and ends the test if that fails.
//
// `options` is a JSON object, as in the pipeline file. A batch is a slice of structs whose fields name their columns, as
// the rows of a transform do, or a [Table]; all have the same columns.
func Run(t testing.TB, name, options string, batches ...any) *Ran {
	t.Helper()
	ran, err := run(name, options, "", transom.EndOfInput, batches)
	if err != nil {
		t.Fatalf("transform `%s`: %v", name, err)
	}
	return ran
}

// RunSlice runs a registered transform over one slice, from the state that an earlier run saved; "" begins from nothing.
func RunSlice(t testing.TB, name, options, state string, batches ...any) *Ran {
	t.Helper()
	ran, err := run(name, options, state, transom.EndOfSlice, batches)
	if err != nil {
		t.Fatalf("transform `%s`: %v", name, err)
	}
	return ran
}

// Fails runs a registered transform that is expected to end in an error, and gives that; it ends the test if there is none.
func Fails(t testing.TB, name, options string, batches ...any) *transom.Error {
	t.Helper()
	_, err := run(name, options, "", transom.EndOfInput, batches)
	var failed *transom.Error
	if !errors.As(err, &failed) {
		t.Fatalf("transform `%s` did not fail as expected: %v", name, err)
	}
	return failed
}

func run(name, options, state string, end transom.End, batches []any) (*Ran, error) {
	if len(batches) == 0 {
		return nil, errors.New("a run needs at least one batch, which may be empty")
	}
	tables := make([]Table, len(batches))
	for i, batch := range batches {
		var err error
		if tables[i], err = tableOf(batch); err != nil {
			return nil, fmt.Errorf("batch %d: %w", i, err)
		}
	}
	ran := &Ran{Counts: map[string]uint64{}}
	defer transom.SetHost(transom.SetHost(listener{ran}))
	opened, err := transom.OpenTransformByName(name, tables[0].Schema, options)
	if err != nil {
		return nil, err
	}
	ran.Schema = opened.OutputSchema()
	if state != "" {
		if err := opened.Restore([]byte(state)); err != nil {
			return nil, err
		}
	}
	for number, table := range tables {
		batch := table.Batch
		step, err := opened.Process(batch)
		for ; err == nil; step, err = opened.Pull(batch) {
			ran.take(step, number)
			if !step.More {
				break
			}
		}
		if err != nil {
			return nil, err
		}
	}
	step, err := opened.Finish(end)
	for ; err == nil; step, err = opened.Pull(nil) {
		ran.take(step, 0)
		if !step.More {
			break
		}
	}
	if err != nil {
		return nil, err
	}
	saved, err := opened.Save()
	ran.State = string(saved)
	return ran, err
}

func (r *Ran) take(step *transom.Step, batch int) {
	r.Batches = append(r.Batches, step.Batches...)
	for _, rejected := range step.Rejected {
		r.Rejected = append(r.Rejected, Rejected{batch, rejected.Row, rejected.Reason})
	}
}

// Call calls a registered function once, with one slice for each argument, and gives a value for each row: null where the
// function gave null or rejected the row. It ends the test if the call fails. Without an argument there is one row.
//
// Most functions are simply called; this goes through their registration as well.
func Call[R any](t testing.TB, name string, arguments ...*transom.Column) ([]transom.Null[R], []Rejected) {
	t.Helper()
	schema, batch := make(transom.Schema, len(arguments)), &transom.Batch{Rows: 1, Columns: arguments}
	for i, argument := range arguments {
		schema[i] = argument.Field(fmt.Sprintf("argument%d", i))
		batch.Rows = argument.Len()
	}
	opened, err := transom.OpenFunctionByName(name, schema)
	if err != nil {
		t.Fatalf("function `%s`: %v", name, err)
	}
	column, refused, err := opened.Call(batch)
	if err != nil {
		t.Fatalf("function `%s`: %v", name, err)
	}
	var rejected []Rejected
	for _, r := range refused {
		rejected = append(rejected, Rejected{0, r.Row, r.Reason})
	}
	return transom.Values[transom.Null[R]](column), rejected
}
