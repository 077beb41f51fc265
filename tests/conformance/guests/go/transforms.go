// Transforms of every shape: carried over and computed columns, fewer and more rows, state, rejects, errors, logs.

package main

import (
	"errors"
	"fmt"

	transom "github.com/transom-data/transom/plugins/sdk/go"
)

func init() {
	transom.Transform("echo", "Computes every column again, unchanged.", openEcho)
	transom.Transform("keep", "Keeps the rows whose int64 column is above a number.", openKeep)
	transom.Transform("repeat", "Gives each row several times.", openRepeat)
	transom.Transform("running_sum", "Adds the running total of an int64 column; null counts as 0.", openRunningSum)
	transom.Transform("number_rows", "Numbers the rows of each key of a text column; null is a key, too.", openNumberRows)
	transom.Transform("reject_odd", "Rejects the rows whose int64 column is odd.", openRejectOdd)
	transom.Transform("totals", "One row at the end: how many rows there were, and the total of an int64 column.", openTotals)
	transom.Transform("fail", "Fails as its options say.", openFail)
	transom.Rows("rate", "Whether a flight was late; rejects one without a delay.", openRate)
	transom.Transform("latest", "Keeps the latest row of each key; of several, the one with the smallest id.", openLatest,
		transom.PartitionBy("key"), transom.OrderByDesc("time"), transom.OrderBy("id"))
	transom.Transform("talk", "Logs and counts the rows of each batch.", openTalk)
}

// echo computes every column again.
type echo struct{}

func openEcho(plan *transom.Plan, _ transom.NoOptions) (*echo, error) {
	plan.ReadAll()
	for _, field := range plan.Input() {
		plan.Compute(field)
	}
	return &echo{}, nil
}

func (*echo) Process(batch *transom.Batch, output *transom.Output) error {
	output.Emit(batch.Columns...)
	return nil
}

type keepOptions struct {
	Column string `json:"column" doc:"The int64 column to look at."`
	Above  int64  `json:"above" doc:"Rows are kept whose value is more than this."`
}

// keep is a filter.
type keep struct {
	values transom.Reader[transom.Null[int64]]
	above  int64
}

func openKeep(plan *transom.Plan, options keepOptions) (*keep, error) {
	plan.PassAll()
	return &keep{transom.Read[transom.Null[int64]](plan, options.Column), options.Above}, nil
}

func (k *keep) Process(batch *transom.Batch, output *transom.Output) error {
	var kept []uint32
	for row, value := range k.values.Values(batch) {
		if value.Valid && value.V > k.above {
			kept = append(kept, uint32(row))
		}
	}
	output.EmitRows(kept)
	return nil
}

type repeatOptions struct {
	Times uint `json:"times" doc:"How often each row comes out."`
}

// partRows is how many rows repeat hands over at once.
const partRows = 1000

// repeat gives more rows than it got, in several answers.
type repeat struct {
	times     uint64
	next, end uint64 // rows that are still to come out, of all for the current batch
}

func openRepeat(plan *transom.Plan, options repeatOptions) (*repeat, error) {
	plan.PassAll()
	return &repeat{times: uint64(options.Times)}, nil
}

func (r *repeat) Process(batch *transom.Batch, output *transom.Output) error {
	r.next, r.end = 0, uint64(batch.Rows)*r.times
	return r.Pull(output)
}

func (r *repeat) Pull(output *transom.Output) error {
	var sources []uint32
	for ; r.next < r.end && len(sources) < partRows; r.next++ {
		sources = append(sources, uint32(r.next/r.times))
	}
	output.EmitRows(sources)
	if r.next < r.end {
		output.More()
	}
	return nil
}

type columnOption struct {
	Column string `json:"column" doc:"The int64 column to look at."`
}

// runningSum keeps its total from slice to slice.
type runningSum struct {
	values transom.Reader[transom.Null[int64]]
	kept   runningState
}

type runningState struct {
	Total int64 `json:"total"`
}

func openRunningSum(plan *transom.Plan, options columnOption) (*runningSum, error) {
	plan.PassAll()
	transom.Compute[int64](plan, "sum")
	return &runningSum{values: transom.Read[transom.Null[int64]](plan, options.Column)}, nil
}

func (r *runningSum) Process(batch *transom.Batch, output *transom.Output) error {
	sums := make([]int64, 0, batch.Rows)
	for _, value := range r.values.Values(batch) {
		r.kept.Total += value.Or(0)
		sums = append(sums, r.kept.Total)
	}
	output.Emit(transom.NewColumn(sums))
	return nil
}

func (r *runningSum) State() any { return &r.kept }

type textOption struct {
	Column string `json:"column" doc:"The text column to look at."`
}

// numberRows keeps the numbers of all keys, not of the last one alone.
type numberRows struct {
	keys transom.Reader[transom.Null[string]]
	kept numbersState
}

type numbersState struct {
	Rows       map[string]int64 `json:"rows"`
	WithoutKey int64            `json:"without_key"`
}

func openNumberRows(plan *transom.Plan, options textOption) (*numberRows, error) {
	plan.PassAll()
	transom.Compute[int64](plan, "number")
	keys := transom.Read[transom.Null[string]](plan, options.Column)
	return &numberRows{keys, numbersState{Rows: map[string]int64{}}}, nil
}

func (n *numberRows) Process(batch *transom.Batch, output *transom.Output) error {
	numbers := make([]int64, 0, batch.Rows)
	for _, key := range n.keys.Values(batch) {
		if key.Valid {
			n.kept.Rows[key.V]++
			numbers = append(numbers, n.kept.Rows[key.V])
		} else {
			n.kept.WithoutKey++
			numbers = append(numbers, n.kept.WithoutKey)
		}
	}
	output.Emit(transom.NewColumn(numbers))
	return nil
}

func (n *numberRows) State() any { return &n.kept }

// rejectOdd leaves rows out and says why.
type rejectOdd struct {
	values transom.Reader[transom.Null[int64]]
}

func openRejectOdd(plan *transom.Plan, options columnOption) (*rejectOdd, error) {
	plan.PassAll()
	return &rejectOdd{transom.Read[transom.Null[int64]](plan, options.Column)}, nil
}

func (r *rejectOdd) Process(batch *transom.Batch, output *transom.Output) error {
	for row, value := range r.values.Values(batch) {
		if value.Valid && value.V%2 != 0 {
			output.Reject(row, fmt.Sprintf("odd: %d", value.V))
		}
	}
	output.Emit()
	return nil
}

// totals gives one row, when no input will follow.
type totals struct {
	values      transom.Reader[transom.Null[int64]]
	rows, total int64
}

func openTotals(plan *transom.Plan, options columnOption) (*totals, error) {
	transom.Compute[int64](plan, "rows")
	transom.Compute[int64](plan, "total")
	return &totals{values: transom.Read[transom.Null[int64]](plan, options.Column)}, nil
}

func (t *totals) Process(batch *transom.Batch, _ *transom.Output) error {
	t.rows += int64(batch.Rows)
	for _, value := range t.values.Values(batch) {
		t.total += value.Or(0)
	}
	return nil
}

func (t *totals) Finish(end transom.End, output *transom.Output) error {
	if end == transom.EndOfInput {
		output.EmitNew(transom.NewColumn([]int64{t.rows}), transom.NewColumn([]int64{t.total}))
	}
	return nil
}

type failOptions struct {
	Kind string `json:"kind" enum:"bad-data,config,retryable,internal,panic" doc:"How."`
	At   string `json:"at" enum:"open,process,finish" doc:"When."`
	Row  *int   `json:"row" doc:"The row to blame, when processing."`
}

// fail fails.
type fail struct{ options failOptions }

func openFail(plan *transom.Plan, options failOptions) (*fail, error) {
	plan.PassAll()
	f := &fail{options}
	return f, f.failAt("open")
}

func (f *fail) Process(_ *transom.Batch, output *transom.Output) error {
	output.Emit()
	return f.failAt("process")
}

func (f *fail) Finish(transom.End, *transom.Output) error { return f.failAt("finish") }

func (f *fail) failAt(at string) error {
	const message = "as asked"
	if f.options.At != at {
		return nil
	}
	var err *transom.Error
	switch f.options.Kind {
	case "bad-data":
		err = transom.BadData(message)
	case "config":
		err = transom.Config(message)
	case "retryable":
		err = transom.Retryable(message)
	case "internal":
		err = transom.Internal(message)
	default:
		panic(errors.New(message))
	}
	if f.options.Row != nil && at == "process" {
		err = err.AtRow(*f.options.Row)
	}
	return err
}

// talk says what it sees.
type talk struct{}

func openTalk(plan *transom.Plan, _ transom.NoOptions) (*talk, error) {
	plan.PassAll()
	return &talk{}, nil
}

func (*talk) Process(batch *transom.Batch, output *transom.Output) error {
	transom.Infof("batch of %d rows", batch.Rows)
	transom.Count("rows", uint64(batch.Rows))
	output.Emit()
	return nil
}

// flight is what rate takes.
type flight struct {
	Carrier string              `arrow:"carrier"`
	Delay   transom.Null[int64] `arrow:"delay"`
}

// rated is what rate adds to it.
type rated struct {
	Late bool `arrow:"late"`
}

// rate says whether a flight was late.
type rate struct{}

func openRate(transom.NoOptions) (rate, error) { return rate{}, nil }

func (rate) Row(in *flight, out *transom.Emitter[rated]) error {
	if !in.Delay.Valid {
		return fmt.Errorf("the delay of %s is missing", in.Carrier)
	}
	out.Emit(rated{in.Delay.V > 15})
	return nil
}

// latest keeps the first row of each key, which is the latest as they come sorted.
type latest struct {
	keys transom.Reader[transom.Null[string]]
	last transom.Null[string]
}

func openLatest(plan *transom.Plan, _ transom.NoOptions) (*latest, error) {
	plan.PassAll()
	return &latest{keys: transom.Read[transom.Null[string]](plan, "key")}, nil
}

func (l *latest) Process(batch *transom.Batch, output *transom.Output) error {
	var kept []uint32
	for row, key := range l.keys.Values(batch) {
		if key != l.last {
			kept = append(kept, uint32(row))
		}
		l.last = key
	}
	output.EmitRows(kept)
	return nil
}
