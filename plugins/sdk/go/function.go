// Functions for SQL: what is registered, and how a call goes from columns to the author's function and back.

package transom

import (
	"errors"
	"fmt"
	"strings"
	"unsafe"
)

// Volatility says how far results of a function may be kept.
type Volatility uint8

const (
	// Immutable: the same arguments always give the same result, so that a call with constants is made once.
	Immutable Volatility = iota
	// Stable: the same within a run.
	Stable
	// Volatile: may differ from row to row.
	Volatile
)

// Body is what a function does; [Func1], [Try1], [Slices1] and their like make one.
type Body struct {
	arguments []valueType
	result    valueType
	open      func() callFunc
}

// callFunc serves the calls of one opening. It keeps its scratch memory from call to call.
type callFunc func(*call)

// of is how values of T cross; it stands short, since the bodies name it for each argument.
func of[T any]() valueType { return mustValueType[T]() }

func newBody(result valueType, arguments []valueType, open func() callFunc) Body {
	return Body{arguments, result, open}
}

// function is a registered function.
type function struct {
	name       string
	doc        string
	names      []string
	body       Body
	volatility Volatility
}

// Func0 is a function without arguments. It is called once for each row, or once in all where the function is not [Volatile].
func Func0[R any](f func() R) Body {
	return Try0(func() (R, error) { return f(), nil })
}

// Try0 is like [Func0], but may refuse a row.
func Try0[R any](f func() (R, error)) Body {
	return newBody(of[R](), nil, func() callFunc {
		var out []R
		return func(c *call) {
			out = sized(out, c.rows)
			for i := range out {
				var err error
				if out[i], err = f(); err != nil && !c.refuse(i, err) {
					return
				}
				keep(c, &out[i])
			}
			give(c, out)
		}
	})
}

// Function offers a function to SQL. Call it from init.
//
// The signature is its name and those of its arguments, as queries and messages show them: "mask_email(email)". Results are
// taken for immutable unless a volatility is given.
//
// It panics when the signature does not fit the body, or the name is taken.
func Function(signature, doc string, body Body, volatility ...Volatility) {
	name, names, err := parseSignature(signature)
	switch {
	case err != nil:
		panic(fmt.Sprintf("transom: the signature `%s` of a function is wrong: %v", signature, err))
	case len(names) != len(body.arguments):
		panic(fmt.Sprintf("transom: the signature `%s` names %d arguments; the function takes %d", signature, len(names),
			len(body.arguments)))
	}
	f := &function{name: name, doc: doc, names: names, body: body}
	for _, f.volatility = range volatility {
	}
	plugin.addFunction(f)
}

// parseSignature reads "name(argument, argument)".
func parseSignature(signature string) (name string, arguments []string, err error) {
	name, rest, ok := strings.Cut(signature, "(")
	list, tail, closed := strings.Cut(rest, ")")
	if !ok || !closed || tail != "" {
		return "", nil, errors.New("it looks like `name(first, second)`")
	}
	if err := checkName(name); err != nil {
		return "", nil, err
	}
	if strings.TrimSpace(list) == "" {
		return name, nil, nil
	}
	for argument := range strings.SplitSeq(list, ",") {
		argument = strings.TrimSpace(argument)
		if err := checkName(argument); err != nil {
			return "", nil, err
		}
		arguments = append(arguments, argument)
	}
	return name, arguments, nil
}

// checkName refuses what the contract does not take for a name.
func checkName(name string) error {
	ok := name != ""
	for i, r := range name {
		ok = ok && (r == '_' || 'a' <= r && r <= 'z' || i > 0 && '0' <= r && r <= '9')
	}
	if !ok {
		return fmt.Errorf("`%s` is no name: lowercase letters, digits and `_`, and no digit first", name)
	}
	return nil
}

// output is the field of the result. Nulls in give nulls out, so it is nullable whatever the function gives.
func (f *function) output() Field {
	field := f.body.result.field(f.name)
	field.Nullable = true
	return field
}

// check compares the types that a query gives with those that the function takes.
func (f *function) check(given Schema) error {
	if len(given) != len(f.names) {
		return Config("the function `%s` takes %s, not %d", f.name, counted(len(f.names), "argument"), len(given))
	}
	for i, argument := range f.body.arguments {
		if !argument.reads(given[i]) {
			return Config("the argument `%s` of the function `%s` is %s, not %s", f.names[i], f.name,
				argument.name(), fieldTypeName(given[i]))
		}
	}
	return nil
}

// rejected is a row that was not taken, and why.
type rejected struct {
	row    uint32
	reason string
}

// call is one call of a function on columns.
type call struct {
	function  *function
	rows      int
	arguments []*Column
	// valid has a bit for each row that is to be computed; nil means all.
	valid    []byte
	rejected []rejected
	result   builder
	column   *Column
	err      error
}

// run calls the body. The call is reused: what it gave before is not valid any more.
func (c *call) run(body callFunc, arguments *Batch) (*Column, []rejected, error) {
	c.rows, c.arguments, c.err, c.column = arguments.Rows, arguments.Columns, nil, nil
	c.rejected = nil
	c.result.value = c.function.body.result
	c.result.reset()
	c.findNulls()
	c.rejectNullItems()
	body(c)
	return c.column, c.rejected, c.err
}

// findNulls sets `valid`: a null in an argument that cannot be null gives null.
func (c *call) findNulls() {
	c.valid = nil
	for i, argument := range c.arguments {
		if argument.nulls == 0 || c.function.body.arguments[i].nullable {
			continue
		}
		if c.valid == nil {
			c.valid = append([]byte(nil), argument.validity...)
			continue
		}
		for at := range c.valid {
			c.valid[at] &= argument.validity[at]
		}
	}
}

// rejectNullItems rejects the rows in which a list holds a null that its Go type cannot.
func (c *call) rejectNullItems() {
	for i, argument := range c.arguments {
		value := c.function.body.arguments[i]
		if !value.hasNullItems(argument) {
			continue
		}
		for row := range c.rows {
			if !c.skips(row) && value.holdsNullItem(argument, row) {
				c.reject(row, nullItem(c.function.names[i]))
			}
		}
	}
}

func (c *call) skips(row int) bool { return c.valid != nil && !bit(c.valid, row) }

// refuse rejects a row; false when the error ends the run instead, since the data is not at fault.
func (c *call) refuse(row int, err error) bool {
	var e *Error
	if errors.As(err, &e) && e.Kind != KindBadData {
		e = asError(err)
		if !e.Row.Valid {
			e.Row = Some(row)
		}
		c.err = e
		return false
	}
	c.reject(row, err.Error())
	return true
}

func (c *call) reject(row int, reason string) {
	c.rejected = append(c.rejected, rejected{uint32(row), utf8Text(reason)})
	if c.valid == nil {
		c.valid = newBitmap(c.rows)
		for i := range c.valid {
			c.valid[i] = 0xff
		}
	}
	c.valid[row>>3] &^= 1 << (row & 7)
}

// argument is the values of an argument; `scratch` is what an earlier call made for them.
func argument[T any](c *call, index int, scratch []T) []T {
	return valuesInto(c.function.body.arguments[index], c.arguments[index], scratch)
}

// sized is a slice of n zero values, in the memory of an earlier call if that is enough.
func sized[T any](scratch []T, n int) []T {
	if cap(scratch) < n {
		return make([]T, n)
	}
	scratch = scratch[:n]
	clear(scratch)
	return scratch
}

// keep makes a result its own if it is a slice: the author may write into the same memory for the next row, and the column is made
// when all rows are done.
func keep[R any](c *call, result *R) {
	if c.result.value.isSlice() {
		c.result.value.own(unsafe.Pointer(result))
	}
}

// give makes the result column.
func give[R any](c *call, values []R) {
	if len(values) != c.rows {
		c.err = Internal("the function `%s` gave %s for %d", c.function.name, counted(len(values), "row"), c.rows)
		return
	}
	value := c.result.value
	if value.kind == valueFixed && !value.nullable && value.precision == 0 {
		// The slice is the column's buffer as it is.
		c.column = &Column{format: value.format, length: c.rows, validity: c.valid, buffers: [][]byte{raw(values)}}
		if c.valid != nil {
			c.column.nulls = c.rows - countBits(c.valid, c.rows)
		}
		return
	}
	for {
		row, err := c.result.write(placeOf(values), c.rows, c.valid)
		if err == nil {
			break
		}
		// A value that Arrow cannot hold: its row is rejected, and the column written again without. Texts that are not UTF-8 are
		// often many, so that all are looked for at once.
		c.reject(row, err.Error())
		if value.kind == valueString {
			c.rejectTexts(placeOf(values), row+1)
		}
		c.result.reset()
	}
	c.column = c.result.column()
}

// rejectTexts rejects the rows from `from` on whose text is not UTF-8.
func (c *call) rejectTexts(texts place, from int) {
	value := c.result.value
	for row := from; row < c.rows; row++ {
		at := texts.row(row)
		if c.skips(row) || value.nullable && !*(*bool)(unsafe.Add(at, value.validAt)) {
			continue
		}
		if err := checkText(*(*string)(at)); err != nil {
			c.reject(row, err.Error())
		}
	}
}
