// Transforms over whole columns: what an author writes, how it is registered, and one opening of it.

package transom

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
)

// End says which end has come.
type End uint8

const (
	// EndOfSlice: state is saved afterwards, and input goes on another day.
	EndOfSlice End = iota
	// EndOfInput: no input will ever follow.
	EndOfInput
)

// Processor is an opened transform over columns. One value lives for one partition of the input.
type Processor interface {
	// Process takes a batch, which holds the columns that were asked for and no other. An error ends the run; a row that is
	// wrong is better rejected.
	Process(batch *Batch, output *Output) error
}

// Puller is a transform that says [Output.More].
type Puller interface {
	// Pull goes on with the output for the current batch.
	Pull(output *Output) error
}

// Finisher is a transform that holds rows back, or has something to do at the end.
type Finisher interface {
	// Finish emits what was held back, with [Output.EmitNew]. There is no current batch.
	Finish(end End, output *Output) error
}

// Stateful is a transform that goes on in the next slice where it ended in the last one.
type Stateful interface {
	// State is a pointer to what is kept: a struct that encoding/json writes and reads.
	State() any
}

// transform is a registered transform.
type transform struct {
	name, doc string
	options   []option
	stateful  bool
	keys      keys
	open      func(plan *Plan, options []byte) (instance, error)
}

// instance is one opening of a transform of either kind.
type instance interface {
	process(*Batch, *Output) error
	pull(*Output) error
	finish(End, *Output) error
	// state is nil for a transform without.
	state() any
}

// Setting is what a transform says beside its name and what opens it: [PartitionBy], [OrderBy], [OrderByDesc], and for
// transforms over rows a [Carry].
type Setting interface {
	set(*settings)
}

// settings are all that a transform says.
type settings struct {
	keys         keys
	computedOnly bool
}

// keys are what a transform requires of its step.
type keys struct {
	partitionBy []string
	orderBy     []sortKey
}

type sortKey struct {
	column     string
	descending bool
}

type keySetting func(*keys)

func (k keySetting) set(s *settings) { k(&s.keys) }

// PartitionBy requires that the step partitions the rows by these columns: all rows with the same values reach one instance,
// one after another. A step that does not is an error of `transom check`.
func PartitionBy(columns ...string) Setting {
	return keySetting(func(k *keys) { k.partitionBy = append(k.partitionBy, columns...) })
}

// OrderBy requires that the step sorts the rows of a partition by these columns, smallest first, after those of settings
// before. Without [PartitionBy] it is all rows that have to be sorted.
func OrderBy(columns ...string) Setting { return orderBy(columns, false) }

// OrderByDesc is OrderBy with the largest values first.
func OrderByDesc(columns ...string) Setting { return orderBy(columns, true) }

func orderBy(columns []string, descending bool) Setting {
	return keySetting(func(k *keys) {
		for _, column := range columns {
			k.orderBy = append(k.orderBy, sortKey{column, descending})
		}
	})
}

// settingsOf is what the settings of a transform come to.
func settingsOf(name string, given []Setting) settings {
	var all settings
	for _, setting := range given {
		setting.set(&all)
	}
	columns := slices.Clone(all.keys.partitionBy)
	for _, key := range all.keys.orderBy {
		columns = append(columns, key.column)
	}
	for i, column := range columns {
		if slices.Contains(columns[:i], column) {
			panic(fmt.Sprintf("transom: the transform `%s` requires the column `%s` twice", name, column))
		}
	}
	return all
}

// Transform offers a transform over whole columns to pipelines. Call it from init.
//
// `open` is called while a pipeline is checked, too, without data: it looks at the input's columns and the options, says in
// the plan which columns it reads, carries over and computes, and returns what processes the batches. O is a struct; see
// [NoOptions] and the page docs/writing-plugins-go.md for its tags. With [PartitionBy] and [OrderBy] it says which rows it has
// to be given.
func Transform[O any, T Processor](name, doc string, open func(plan *Plan, options O) (T, error), settings ...Setting) {
	_, pulls := reflect.TypeFor[T]().MethodByName("Pull")
	checkMethod[T, Puller](name, "Pull", pulls, "Pull(*transom.Output) error")
	_, finishes := reflect.TypeFor[T]().MethodByName("Finish")
	checkMethod[T, Finisher](name, "Finish", finishes, "Finish(transom.End, *transom.Output) error")
	given := settingsOf(name, settings)
	if given.computedOnly {
		panic(fmt.Sprintf("transom: the plan of the transform `%s` says what it carries over; ComputedOnly is for Rows", name))
	}
	register[O, T](name, doc, given.keys, func(plan *Plan, options O) (instance, error) {
		t, err := open(plan, options)
		return &columnInstance{name, t}, err
	})
}

// checkMethod refuses a method that has the name of an optional one and would never be called, since its type is another.
//
// The caller looks the method up, by a name that the linker sees: with one that it does not see it would keep every
// method of every type, which makes a plugin a quarter larger.
func checkMethod[T, Interface any](transform, method string, has bool, wanted string) {
	if has && !reflect.TypeFor[T]().Implements(reflect.TypeFor[Interface]()) {
		panic(fmt.Sprintf("transom: the method `%s` of the transform `%s` should be `%s`", method, transform, wanted))
	}
}

func register[O, T any](name, doc string, keys keys, open func(*Plan, O) (instance, error)) {
	if err := checkName(name); err != nil {
		panic("transom: the name of a transform is wrong: " + err.Error())
	}
	_, keeps := reflect.TypeFor[T]().MethodByName("State")
	checkMethod[T, Stateful](name, "State", keeps, "State() any")
	options, err := optionsOf(reflect.TypeFor[O]())
	if err != nil {
		panic(fmt.Sprintf("transom: the options of the transform `%s` are wrong: %v", name, err))
	}
	plugin.addTransform(&transform{
		name: name, doc: doc, options: options,
		stateful: reflect.TypeFor[T]().Implements(reflect.TypeFor[Stateful]()),
		keys:     keys,
		open: func(plan *Plan, text []byte) (instance, error) {
			var given O
			if err := readOptions(name, options, text, &given); err != nil {
				return nil, err
			}
			return open(plan, given)
		},
	})
}

// columnInstance is an opened transform over columns.
type columnInstance struct {
	name      string
	transform Processor
}

func (i *columnInstance) process(batch *Batch, output *Output) error {
	return i.transform.Process(batch, output)
}

func (i *columnInstance) pull(output *Output) error {
	if puller, ok := i.transform.(Puller); ok {
		return puller.Pull(output)
	}
	return Internal("the transform `%s` said that there is more output, but has no method `Pull`", i.name)
}

func (i *columnInstance) finish(end End, output *Output) error {
	if finisher, ok := i.transform.(Finisher); ok {
		return finisher.Finish(end, output)
	}
	return nil
}

func (i *columnInstance) state() any { return stateOf(i.transform) }

func stateOf(transform any) any {
	if stateful, ok := transform.(Stateful); ok {
		return stateful.State()
	}
	return nil
}

// table is an opened transform with its columns.
type table struct {
	name     string
	instance instance
	plan     *Plan
	reads    []Field
	computed []Field
	// rows of the batch that `pull` goes on with; -1 at the end.
	rows int
}

// openTable opens a registered transform on an input, with options as a JSON object.
func openTable(name string, input Schema, options []byte) (*table, error) {
	for _, t := range plugin.transforms {
		if t.name != name {
			continue
		}
		plan := &Plan{input: input}
		opened, err := t.open(plan, options)
		if plan.err != nil {
			// Before the author's own: what `open` says of a column that is not there would only follow from it.
			err = plan.err
		}
		if err != nil {
			return nil, withColumn(err, input)
		}
		return &table{name: name, instance: opened, plan: plan, reads: plan.readFields(), computed: plan.computed()}, nil
	}
	return nil, Config("there is no transform `%s`", name)
}

// withColumn leaves only a column that is there in an error.
func withColumn(err error, input Schema) error {
	e := asError(err)
	if input.Index(e.Column) < 0 {
		e.Column = ""
	}
	return e
}

func (t *table) output(rows int) *Output {
	return &Output{computed: t.computed, passes: t.plan.passes(), rows: max(rows, 0), current: rows >= 0}
}

func (t *table) done(output *Output, err error) (outcome, error) {
	if err == nil {
		var given outcome
		if given, err = output.finish(); err == nil {
			return given, nil
		}
	}
	return outcome{}, withColumn(err, t.plan.input)
}

func (t *table) process(batch *Batch) (outcome, error) {
	t.rows = batch.Rows
	output := t.output(t.rows)
	return t.done(output, t.instance.process(batch, output))
}

func (t *table) pull() (outcome, error) {
	output := t.output(t.rows)
	return t.done(output, t.instance.pull(output))
}

func (t *table) finish(end End) (outcome, error) {
	t.rows = -1
	output := t.output(t.rows)
	return t.done(output, t.instance.finish(end, output))
}

// save is the state as JSON; empty for a transform without.
func (t *table) save() ([]byte, error) {
	state := t.instance.state()
	if state == nil {
		return nil, nil
	}
	text, err := json.Marshal(state)
	if err != nil {
		return nil, Internal("the state of the transform `%s` has no JSON form: %w", t.name, err)
	}
	return text, nil
}

func (t *table) restore(text []byte) error {
	state := t.instance.state()
	if state == nil {
		if len(text) == 0 {
			return nil
		}
		return Config("the transform `%s` keeps no state, but one was saved", t.name)
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(state); err != nil {
		return Config("the saved state does not fit this version of the transform `%s`: %w", t.name, err)
	}
	return nil
}
