// What only benchmarks use: one filter over rows, and over columns as slices.

package main

import (
	transom "github.com/transom-data/transom/plugins/sdk/go"
)

func init() {
	transom.Rows("keep_rows", "Keeps the rows whose `number_0` is above a number, row by row.", openKeepRows)
	transom.Rows("pick_rows", "Keeps the same rows and computes six columns anew, row by row.", openPickRows, transom.ComputedOnly)
	transom.Transform("pick_columns", "Keeps the same rows and computes six columns anew, by slices.", openPickColumns)
}

type aboveOption struct {
	Above int64 `json:"above" doc:"Rows are kept whose value is more than this."`
}

type number struct {
	Number int64 `arrow:"number_0"`
}

// keepRows is keep, but over rows.
type keepRows struct{ above int64 }

func openKeepRows(options aboveOption) (*keepRows, error) { return &keepRows{options.Above}, nil }

func (k *keepRows) Row(in *number, out *transom.Emitter[struct{}]) error {
	if in.Number > k.above {
		out.Emit(struct{}{})
	}
	return nil
}

// measuredRow is a row of the benchmarks' table.
type measuredRow struct {
	Number0 int64  `arrow:"number_0"`
	Number1 int64  `arrow:"number_1"`
	Number2 int64  `arrow:"number_2"`
	Number3 int64  `arrow:"number_3"`
	Word0   string `arrow:"word_0"`
	Word1   string `arrow:"word_1"`
}

// pickRows carries nothing over: each value is read and written.
type pickRows struct{ above int64 }

func openPickRows(options aboveOption) (*pickRows, error) { return &pickRows{options.Above}, nil }

func (p *pickRows) Row(in *measuredRow, out *transom.Emitter[measuredRow]) error {
	if in.Number0 > p.above {
		out.Emit(*in)
	}
	return nil
}

// pickColumns is pickRows over slices.
type pickColumns struct {
	numbers [4]transom.Reader[int64]
	words   [2]transom.Reader[string]
	above   int64
}

func openPickColumns(plan *transom.Plan, options aboveOption) (*pickColumns, error) {
	p := &pickColumns{above: options.Above}
	for at, name := range []string{"number_0", "number_1", "number_2", "number_3"} {
		p.numbers[at] = transom.Read[int64](plan, name)
		transom.Compute[int64](plan, name)
	}
	for at, name := range []string{"word_0", "word_1"} {
		p.words[at] = transom.Read[string](plan, name)
		transom.Compute[string](plan, name)
	}
	return p, nil
}

func (p *pickColumns) Process(batch *transom.Batch, output *transom.Output) error {
	var kept []int
	for row, value := range p.numbers[0].Values(batch) {
		if value > p.above {
			kept = append(kept, row)
		}
	}
	var columns []*transom.Column
	for _, reader := range p.numbers {
		columns = append(columns, transom.NewColumn(picked(reader.Values(batch), kept)))
	}
	for _, reader := range p.words {
		columns = append(columns, transom.NewColumn(picked(reader.Values(batch), kept)))
	}
	output.EmitNew(columns...)
	return nil
}

func picked[T any](values []T, kept []int) []T {
	out := make([]T, len(kept))
	for at, row := range kept {
		out[at] = values[row]
	}
	return out
}
