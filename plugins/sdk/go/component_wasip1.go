//go:build wasip1

// The exports of the contract on top of the rest of the package: calls from the host in the canonical ABI of the component
// model. abi_wasip1.go has its memory layouts.

package transom

import (
	"os"
	"runtime/debug"
	"unsafe"
)

var (
	openFunctions handles[OpenFunction]
	openTables    handles[table]
)

// The collector runs less often than by default: batches come and go, so that little is alive whenever it looks.
// Measured on a transform over rows, that saves a fifth of the time for some 12 MiB more. Near the memory that hosts
// allow by default (1 GiB) it runs as often as need be. A guest does not know its limit, so a plugin that keeps much within a
// smaller one sets both again in its own init, which runs later (docs/writing-plugins-go.md).
const (
	gcPercent   = 400
	memoryLimit = 768 << 20
)

func init() {
	host = component{}
	debug.SetGCPercent(gcPercent)
	debug.SetMemoryLimit(memoryLimit)
}

// component is the host of a component.
type component struct{}

//go:wasmimport transom:plugin/host@0.1.0 log
func hostLog(level uint32, message unsafe.Pointer, length uint32)

//go:wasmimport transom:plugin/host@0.1.0 count
func hostCount(metric unsafe.Pointer, length uint32, value uint64)

func (component) Log(level Level, message string) {
	hostLog(uint32(level), unsafe.Pointer(unsafe.StringData(message)), uint32(len(message)))
}

func (component) Count(metric string, value uint64) {
	hostCount(unsafe.Pointer(unsafe.StringData(metric)), uint32(len(metric)), value)
}

// guard ends the instance on a panic of the author's code, after it has reported to the host what and where. A panic leaves the
// author's state half changed, so that going on would be wrong.
func guard() {
	if reason := recover(); reason != nil {
		host.Log(LevelError, panicMessage(reason))
		os.Exit(2)
	}
}

//go:wasmexport transom:plugin/meta@0.1.0#describe
func metaDescribe() unsafe.Pointer {
	defer guard()
	if err := plugin.check(); err != nil {
		return lowerError(err, nil)
	}
	var functions writer
	for _, f := range plugin.functions {
		var arguments writer
		for i, argument := range f.body.arguments {
			arguments.text(f.names[i])
			arguments.word(0) // exact
			field := argument.field(f.names[i])
			field.Nullable = true
			arguments.fields(field)
		}
		functions.text(f.name)
		functions.text(f.doc)
		functions.list(&arguments, argumentWords)
		functions.word(0) // not variadic
		functions.fields(f.output())
		functions.word(uint32(f.volatility))
	}
	var transforms writer
	for _, t := range plugin.transforms {
		transforms.text(t.name)
		transforms.text(t.doc)
		transforms.text(optionsSchema(t.options))
		transforms.flag(t.stateful)
		var partitionBy, orderBy writer
		for _, column := range t.keys.partitionBy {
			partitionBy.text(column)
		}
		for _, key := range t.keys.orderBy {
			orderBy.text(key.column)
			orderBy.flag(key.descending)
		}
		transforms.list(&partitionBy, textWords)
		transforms.list(&orderBy, sortKeyWords)
	}
	var description writer
	description.word(0) // ok
	description.text(plugin.name)
	description.text(plugin.version)
	description.list(&functions, functionWords)
	description.list(&transforms, transformWords)
	return description.give()
}

//go:wasmexport cabi_post_transom:plugin/meta@0.1.0#describe
func metaDescribePost(unsafe.Pointer) { release() }

//go:wasmexport transom:plugin/scalar@0.1.0#open
func scalarOpen(name, nameLen, arguments, argumentsLen, _, _ uint32) unsafe.Pointer {
	defer guard()
	defer endInput()
	f, err := OpenFunctionByName(textAt(name, nameLen), fieldsAt(arguments, argumentsLen))
	if err != nil {
		return lowerError(err, nil)
	}
	var opened writer
	opened.word(0) // ok
	opened.word(openFunctions.add(f))
	opened.fields(f.Output())
	return opened.give()
}

//go:wasmexport cabi_post_transom:plugin/scalar@0.1.0#open
func scalarOpenPost(unsafe.Pointer) { release() }

//go:wasmexport transom:plugin/scalar@0.1.0#call
func scalarCall(handle, rows, nodes, nodesLen, buffers, buffersLen uint32) unsafe.Pointer {
	defer guard()
	defer endInput()
	f, err := openFunctions.get(handle)
	if err != nil {
		return lowerError(err, nil)
	}
	arguments := f.call.function.body.arguments
	fields := make([]Field, len(arguments))
	for i, argument := range arguments {
		fields[i] = argument.field("")
	}
	column, refused, err := f.call.run(f.body, batchAt(fields, rows, nodes, nodesLen, buffers, buffersLen))
	if err != nil {
		return lowerError(err, nil)
	}
	var outcome writer
	outcome.word(0) // ok
	outcome.batch(column.length, column)
	outcome.rejected(refused)
	return outcome.give()
}

//go:wasmexport cabi_post_transom:plugin/scalar@0.1.0#call
func scalarCallPost(unsafe.Pointer) { release() }

//go:wasmexport transom:plugin/scalar@0.1.0#close
func scalarClose(handle uint32) { openFunctions.close(handle) }

//go:wasmexport transom:plugin/table@0.1.0#open
func tableOpen(name, nameLen, input, inputLen, options, optionsLen uint32) unsafe.Pointer {
	defer guard()
	defer endInput()
	schema := fieldsAt(input, inputLen)
	t, err := openTable(textAt(name, nameLen), schema, bytesAt(options, optionsLen))
	if err != nil {
		return lowerError(err, schema)
	}
	var reads, output writer
	for _, index := range t.plan.reads {
		reads.word(uint32(index))
	}
	for _, column := range t.plan.output {
		if column.input >= 0 {
			output.word(1) // input
			output.word(uint32(column.input))
			output.word(0)
		} else {
			output.word(0) // computed
			output.fields(column.field)
		}
	}
	var opened writer
	opened.word(0) // ok
	opened.word(openTables.add(t))
	opened.list(&reads, 1)
	opened.list(&output, outputWords)
	return opened.give()
}

//go:wasmexport cabi_post_transom:plugin/table@0.1.0#open
func tableOpenPost(unsafe.Pointer) { release() }

//go:wasmexport transom:plugin/table@0.1.0#process
func tableProcess(handle, rows, nodes, nodesLen, buffers, buffersLen uint32) unsafe.Pointer {
	defer guard()
	defer endInput()
	t, err := openTables.get(handle)
	if err != nil {
		return lowerError(err, nil)
	}
	given, err := t.process(batchAt(t.reads, rows, nodes, nodesLen, buffers, buffersLen))
	return lowerOutcome(t, given, err)
}

//go:wasmexport cabi_post_transom:plugin/table@0.1.0#process
func tableProcessPost(unsafe.Pointer) { release() }

//go:wasmexport transom:plugin/table@0.1.0#pull
func tablePull(handle uint32) unsafe.Pointer {
	defer guard()
	t, err := openTables.get(handle)
	if err != nil {
		return lowerError(err, nil)
	}
	given, err := t.pull()
	return lowerOutcome(t, given, err)
}

//go:wasmexport cabi_post_transom:plugin/table@0.1.0#pull
func tablePullPost(unsafe.Pointer) { release() }

//go:wasmexport transom:plugin/table@0.1.0#finish
func tableFinish(handle, end uint32) unsafe.Pointer {
	defer guard()
	t, err := openTables.get(handle)
	if err != nil {
		return lowerError(err, nil)
	}
	given, err := t.finish(End(end))
	return lowerOutcome(t, given, err)
}

//go:wasmexport cabi_post_transom:plugin/table@0.1.0#finish
func tableFinishPost(unsafe.Pointer) { release() }

//go:wasmexport transom:plugin/table@0.1.0#save
func tableSave(handle uint32) unsafe.Pointer {
	defer guard()
	var saved writer
	t, err := openTables.get(handle)
	if err != nil {
		return lowerError(err, nil)
	}
	state, err := t.save()
	if err != nil {
		return lowerError(err, t.plan.input)
	}
	saved.word(0) // ok
	saved.bytes(state)
	return saved.give()
}

//go:wasmexport cabi_post_transom:plugin/table@0.1.0#save
func tableSavePost(unsafe.Pointer) { release() }

//go:wasmexport transom:plugin/table@0.1.0#restore
func tableRestore(handle, state, stateLen uint32) unsafe.Pointer {
	defer guard()
	defer endInput()
	t, err := openTables.get(handle)
	if err == nil {
		err = t.restore(bytesAt(state, stateLen))
	}
	if err != nil {
		return lowerError(err, nil)
	}
	var restored writer
	restored.word(0) // ok
	return restored.give()
}

//go:wasmexport cabi_post_transom:plugin/table@0.1.0#restore
func tableRestorePost(unsafe.Pointer) { release() }

//go:wasmexport transom:plugin/table@0.1.0#close
func tableClose(handle uint32) { openTables.close(handle) }

func lowerOutcome(t *table, given outcome, err error) unsafe.Pointer {
	if err != nil {
		return lowerError(err, t.plan.input)
	}
	var parts writer
	for _, p := range given.parts {
		parts.batch(p.length, p.columns...)
		if p.source == sourceRows {
			parts.word(1)
			parts.bytes(raw(p.rows))
		} else {
			parts.word(0)
			parts.word(0)
			parts.word(0)
		}
	}
	var outcome writer
	outcome.word(0) // ok
	outcome.list(&parts, partWords)
	outcome.rejected(given.rejected)
	outcome.flag(given.more)
	return outcome.give()
}

// lowerError gives an error; a column is named by its place in the input.
func lowerError(err error, input Schema) unsafe.Pointer {
	e := asError(err)
	var w writer
	w.word(1) // error
	w.word(uint32(e.Kind))
	w.text(e.Message)
	w.optional(uint32(e.Row.V), e.Row.Valid)
	column := -1
	if e.Column != "" {
		column = input.Index(e.Column)
	}
	w.optional(uint32(max(column, 0)), column >= 0)
	return w.give()
}
