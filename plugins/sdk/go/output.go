// Where a transform puts its rows, and the rows that it rejects.

package transom

// Output takes what a transform emits for the current batch. A mistake, such as a column too few, ends the run with an
// error of the kind internal when the call is over.
type Output struct {
	computed []Field
	passes   bool
	rows     int
	// current says whether there is a batch: not at the end.
	current bool
	parts   []part
	// refused in the order of the calls; places tells the bit of each such row.
	refused []rejected
	places  []byte
	more    bool
	err     error
}

type sourceKind uint8

const (
	// sourceOneToOne: the rows are those of the current batch.
	sourceOneToOne sourceKind = iota
	// sourceRows: each row stems from the row of the current batch that `rows` says.
	sourceRows
	// sourceNone: nothing is carried over.
	sourceNone
)

// part is rows that were emitted at once.
type part struct {
	columns []*Column
	length  int
	source  sourceKind
	rows    []uint32
}

// outcome is all that one call gave.
type outcome struct {
	parts    []part
	rejected []rejected
	more     bool
}

// Rows of the current batch; 0 at the end.
func (o *Output) Rows() int { return o.rows }

// Emit emits the computed columns in the order of the plan: one row for each row of the current batch. Rows that were or
// will be rejected in this call are left out.
func (o *Output) Emit(columns ...*Column) {
	switch {
	case !o.current:
		o.fail("there is no current batch at the end: use EmitNew")
	case len(columns) > 0 && columns[0].length != o.rows:
		o.fail("emitted %s for a batch of %d: a rejected row needs a value too; other rows are for EmitRows and EmitNew",
			counted(columns[0].length, "row"), o.rows)
	default:
		o.push(part{columns: columns, length: o.rows, source: sourceOneToOne})
	}
}

// EmitRows emits the computed columns, each row with the row of the current batch whose columns are carried over. Both
// belong to the output from then on.
func (o *Output) EmitRows(sourceRowNumbers []uint32, columns ...*Column) {
	if !o.current {
		o.fail("there is no current batch at the end: use EmitNew")
		return
	}
	for _, row := range sourceRowNumbers {
		if int(row) >= o.rows {
			o.fail("source row %d is not in a batch of %s", row, counted(o.rows, "row"))
			return
		}
	}
	o.push(part{columns: columns, length: len(sourceRowNumbers), source: sourceRows, rows: sourceRowNumbers})
}

// EmitNew emits any number of rows that stem from no single row of the current batch, as totals do; the only way at the end.
// It needs an output without columns that are carried over.
func (o *Output) EmitNew(columns ...*Column) {
	if o.passes {
		o.fail("columns are carried over from the current batch, so every row must have a row there")
		return
	}
	length := 0
	if len(columns) > 0 {
		length = columns[0].length
	}
	o.push(part{columns: columns, length: length, source: sourceNone})
}

// Reject leaves a row of the current batch out, and says why. What becomes of it is the pipeline's choice (`on_reject`).
// A row is rejected once; what is said of it later is left out.
func (o *Output) Reject(row int, reason string) {
	switch {
	case !o.current || row < 0 || row >= o.rows:
		o.fail("rejected row %d, which is not in a batch of %s", row, counted(o.rows, "row"))
		return
	case o.places == nil:
		o.places = newBitmap(o.rows)
	case bit(o.places, row):
		return
	}
	setBit(o.places, row)
	o.refused = append(o.refused, rejected{uint32(row), utf8Text(reason)})
}

// More asks for a call of Pull before the next batch: there is more output than should be held at once.
func (o *Output) More() { o.more = true }

func (o *Output) fail(format string, arguments ...any) {
	if o.err == nil {
		o.err = Internal(format, arguments...)
	}
}

func (o *Output) push(p part) {
	if len(p.columns) != len(o.computed) {
		o.fail("emitted %d columns; the plan computes %d", len(p.columns), len(o.computed))
		return
	}
	for i, field := range o.computed {
		c := p.columns[i]
		switch {
		case c.length != p.length:
			o.fail("the column `%s` has %s, not %d", field.Name, counted(c.length, "row"), p.length)
		case !c.sameShape(field):
			o.fail("the column `%s` is %s; the plan says %s", field.Name, typeName(c.format), typeName(field.Format))
		case !field.Nullable && c.nulls > 0:
			o.fail("the column `%s` contains nulls; its field in the plan is not nullable", field.Name)
		}
	}
	o.parts = append(o.parts, p)
}

// finish is all that was emitted, rejected rows taken out of what was emitted one to one.
func (o *Output) finish() (outcome, error) {
	if o.err != nil {
		return outcome{}, o.err
	}
	if len(o.refused) > 0 {
		kept := make([]uint32, 0, o.rows-len(o.refused))
		for row := range o.rows {
			if !bit(o.places, row) {
				kept = append(kept, uint32(row))
			}
		}
		for i, p := range o.parts {
			if p.source != sourceOneToOne {
				continue
			}
			columns := make([]*Column, len(p.columns))
			for at, c := range p.columns {
				columns[at] = c.Take(kept)
			}
			o.parts[i] = part{columns, len(kept), sourceRows, kept}
		}
	}
	return outcome{o.parts, o.refused, o.more}, nil
}
