// Transforms over rows: structs whose fields name their columns. Reflection runs once, when a transform is registered;
// batches are decoded and encoded column by column.

package transom

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"unsafe"
)

// RowProcessor is an opened transform over rows. One value lives for one partition of the input.
type RowProcessor[In, Out any] interface {
	// Row takes one row and emits any number of rows. An error rejects the row, with the error's text as the reason: what it
	// emitted is taken back. An [*Error] ends the run. `in` is valid until Row returns; what is in it stays valid.
	Row(in *In, out *Emitter[Out]) error
}

// RowFinisher is a transform over rows that holds rows back, or has something to do at the end.
type RowFinisher[Out any] interface {
	// Finish emits what was held back; only a transform that was registered as [ComputedOnly] can.
	Finish(end End, out *Emitter[Out]) error
}

// Carry says which columns of the input a transform over rows carries over.
type Carry uint8

const (
	// CarryAll: each row that is emitted has all columns of the row that it was emitted for. A computed column takes the
	// place of an input column of the same name.
	CarryAll Carry = iota
	// ComputedOnly: the output has the columns of the struct Out and no other.
	ComputedOnly
)

func (c Carry) set(s *settings) { s.computedOnly = c == ComputedOnly }

// Rows offers a transform over rows to pipelines. Call it from init.
//
// In and Out are structs. A field with the tag `arrow:"carrier"` is the column of that name; other fields are left alone.
// A column of In whose type is not [Null] must not be null: such a row is rejected. `open` gets the options and returns
// what takes the rows.
//
// Settings are a [Carry] and the keys that it requires, [PartitionBy] and [OrderBy].
//
// Output of any size is fine: what is too large for one answer is handed over in several.
func Rows[O, In, Out any, T RowProcessor[In, Out]](name, doc string, open func(options O) (T, error), settings ...Setting) {
	in, err := cellsOf(reflect.TypeFor[In]())
	if err != nil {
		panic(fmt.Sprintf("transom: the rows that the transform `%s` takes are wrong: %v", name, err))
	}
	out, err := cellsOf(reflect.TypeFor[Out]())
	if err != nil {
		panic(fmt.Sprintf("transom: the rows that the transform `%s` emits are wrong: %v", name, err))
	}
	_, finishes := reflect.TypeFor[T]().MethodByName("Finish")
	checkMethod[T, RowFinisher[Out]](name, "Finish", finishes,
		fmt.Sprintf("Finish(transom.End, *transom.Emitter[%s]) error", reflect.TypeFor[Out]()))
	given := settingsOf(name, settings)
	computedOnly := given.computedOnly
	register[O, T](name, doc, given.keys, func(plan *Plan, options O) (instance, error) {
		t, err := open(options)
		if err != nil {
			return nil, err
		}
		i := &rowInstance[In, Out]{name: name, transform: t, out: planRows(plan, out, !computedOnly), in: slices.Clone(in)}
		for at := range i.in {
			i.in[at].column = readCell(plan, in[at])
		}
		i.emitter.carries = !computedOnly
		for _, c := range i.out {
			if c.value.isSlice() {
				i.emitter.slices = append(i.emitter.slices, c)
			}
		}
		i.rows = make([]In, blockRows)
		return i, nil
	})
}

// cell is one field of a row struct.
type cell struct {
	name   string
	value  valueType
	offset uintptr
	column int
}

func cellsOf(t reflect.Type) ([]cell, error) {
	if t.Kind() != reflect.Struct {
		return nil, fmt.Errorf("a row is a struct, not a %s", t)
	}
	var cells []cell
	for i := range t.NumField() {
		field := t.Field(i)
		name, ok := field.Tag.Lookup("arrow")
		if !ok {
			continue
		}
		value, err := valueTypeOf(field.Type)
		switch {
		case err != nil:
			return nil, fmt.Errorf("the field `%s` of %s: %w", field.Name, t, err)
		case name == "":
			return nil, fmt.Errorf("the tag of the field `%s` of %s names no column", field.Name, t)
		case slices.ContainsFunc(cells, func(c cell) bool { return c.name == name }):
			return nil, fmt.Errorf("two fields of %s are the column `%s`", t, name)
		}
		cells = append(cells, cell{name, value, field.Offset, -1})
	}
	return cells, nil
}

func readCell(plan *Plan, c cell) int {
	index := plan.find(c.name)
	if index < 0 {
		return 0
	}
	if field := plan.input[index]; !c.value.reads(field) {
		plan.fail(Config("the column `%s` is %s, not %s", c.name, fieldTypeName(field), c.value.name()).AtColumn(c.name))
	}
	return plan.read(index)
}

// planRows plans the output and returns its computed columns in their order.
func planRows(plan *Plan, out []cell, carries bool) []cell {
	var computed []cell
	compute := func(c cell) {
		plan.Compute(c.value.field(c.name))
		computed = append(computed, c)
	}
	if carries {
		for index, field := range plan.input {
			if at := slices.IndexFunc(out, func(c cell) bool { return c.name == field.Name }); at >= 0 {
				compute(out[at])
			} else {
				plan.output = append(plan.output, outputColumn{index, field})
			}
		}
	}
	for _, c := range out {
		if !slices.ContainsFunc(computed, func(done cell) bool { return done.name == c.name }) {
			compute(c)
		}
	}
	return computed
}

const (
	// blockRows are decoded, column by column, before the author sees them: few enough to stay in the cache.
	blockRows = 256
	// answerRows are handed over at once; with more, the host learns that there is more.
	answerRows = 16_384
)

// Emitter takes the rows that a transform emits.
type Emitter[Out any] struct {
	rows    []Out
	current uint32
	sources []uint32
	carries bool
	atEnd   bool
	err     error
	// slices are the columns whose values are slices.
	slices []cell
}

// Emit emits a row. In an output that carries columns over it has those of the row that is being taken. What slices point to is
// copied: their memory may be used for the next row.
func (e *Emitter[Out]) Emit(row Out) {
	if e.carries {
		if e.atEnd {
			e.err = Internal("columns are carried over from the rows of the input, so no row can be emitted at the end")
			return
		}
		e.sources = append(e.sources, e.current)
	}
	e.rows = append(e.rows, row)
	for _, c := range e.slices {
		c.value.own(unsafe.Add(unsafe.Pointer(&e.rows[len(e.rows)-1]), c.offset))
	}
}

// rowInstance is an opened transform over rows.
type rowInstance[In, Out any] struct {
	name      string
	transform RowProcessor[In, Out]
	in, out   []cell
	rows      []In
	emitter   Emitter[Out]
	builders  []builder
	sources   []uint32
	written   int
	// batch that is being taken, and its next row.
	batch *Batch
	next  int
	// checked are the columns of the batch that have nulls, or lists with nulls, and must not.
	checked []cell
}

func (i *rowInstance[In, Out]) process(batch *Batch, output *Output) error {
	i.batch, i.next, i.checked = batch, 0, i.checked[:0]
	for _, c := range i.in {
		column := batch.Columns[c.column]
		if !c.value.nullable && column.nulls > 0 || c.value.hasNullItems(column) {
			i.checked = append(i.checked, c)
		}
	}
	return i.pull(output)
}

func (i *rowInstance[In, Out]) pull(output *Output) error {
	i.begin()
	for i.next < i.batch.Rows && i.written < answerRows {
		if err := i.block(output); err != nil {
			return err
		}
	}
	if err := i.hand(output); err != nil {
		return err
	}
	if i.next < i.batch.Rows {
		output.More()
		return nil
	}
	i.batch = nil
	clear(i.rows) // they point into the batch
	return nil
}

func (i *rowInstance[In, Out]) finish(end End, output *Output) error {
	i.batch = nil
	finisher, ok := i.transform.(RowFinisher[Out])
	if !ok {
		return nil
	}
	i.begin()
	i.emitter.atEnd = true
	if err := finisher.Finish(end, &i.emitter); err != nil {
		return err
	}
	if err := i.flush(); err != nil {
		return err
	}
	return i.hand(output)
}

func (i *rowInstance[In, Out]) state() any { return stateOf(i.transform) }

// begin empties what is handed over.
func (i *rowInstance[In, Out]) begin() {
	if i.builders == nil {
		i.builders = make([]builder, len(i.out))
		for at, c := range i.out {
			i.builders[at].value = c.value
		}
	}
	for at := range i.builders {
		i.builders[at].reset()
	}
	i.sources, i.written = i.sources[:0], 0
	i.emitter.atEnd, i.emitter.err = false, nil
}

// block takes the next rows of the batch.
func (i *rowInstance[In, Out]) block(output *Output) error {
	rows := i.rows[:min(blockRows, i.batch.Rows-i.next)]
	for _, c := range i.in {
		to := place{unsafe.Add(unsafe.Pointer(unsafe.SliceData(rows)), c.offset), unsafe.Sizeof(rows[0])}
		c.value.read(i.batch.Columns[c.column], i.next, len(rows), to)
	}
	for at := range rows {
		row := i.next + at
		if reason := i.missing(row); reason != "" {
			output.Reject(row, reason)
			continue
		}
		emitted := len(i.emitter.rows)
		i.emitter.current = uint32(row)
		if err := i.transform.Row(&rows[at], &i.emitter); err != nil {
			var e *Error
			if errors.As(err, &e) {
				e = asError(err)
				if !e.Row.Valid {
					e.Row = Some(row)
				}
				return e
			}
			output.Reject(row, err.Error())
			clear(i.emitter.rows[emitted:])
			i.emitter.rows = i.emitter.rows[:emitted]
			if i.emitter.carries {
				i.emitter.sources = i.emitter.sources[:emitted]
			}
		}
		if len(i.emitter.rows) >= blockRows {
			if err := i.flush(); err != nil {
				return err
			}
			if i.written >= answerRows {
				i.next += at + 1
				return nil
			}
		}
	}
	i.next += len(rows)
	return i.flush()
}

// missing says which column is null in a row and must not be; empty if none is.
func (i *rowInstance[In, Out]) missing(row int) string {
	for _, c := range i.checked {
		column := i.batch.Columns[c.column]
		switch {
		case !c.value.nullable && column.IsNull(row):
			return "`" + c.name + "` is null"
		case c.value.holdsNullItem(column, row):
			return nullItem(c.name)
		}
	}
	return ""
}

// flush writes the emitted rows to the output's columns.
func (i *rowInstance[In, Out]) flush() error {
	e := &i.emitter
	if e.err != nil {
		return e.err
	}
	for at, c := range i.out {
		from := place{unsafe.Add(unsafe.Pointer(unsafe.SliceData(e.rows)), c.offset), placeOf(e.rows).stride}
		if row, err := i.builders[at].write(from, len(e.rows), nil); err != nil {
			failed := Internal("the column `%s`: %w", c.name, err)
			if e.carries {
				failed = failed.AtRow(int(e.sources[row]))
			}
			return failed
		}
	}
	i.written += len(e.rows)
	i.sources = append(i.sources, e.sources...)
	clear(e.rows)
	e.rows, e.sources = e.rows[:0], e.sources[:0]
	return nil
}

// hand gives what was written to the output.
func (i *rowInstance[In, Out]) hand(output *Output) error {
	if i.written == 0 {
		return nil
	}
	columns := make([]*Column, len(i.builders))
	for at := range i.builders {
		columns[at] = i.builders[at].column()
	}
	if i.emitter.carries {
		output.EmitRows(i.sources, columns...)
	} else {
		output.EmitNew(columns...)
		if len(columns) == 0 {
			return Internal("the transform `%s` emits rows without a column", i.name)
		}
	}
	return nil
}
