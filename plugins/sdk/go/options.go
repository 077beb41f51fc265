// Options of a transform: a struct, read strictly from the JSON object that the pipeline file gives.

package transom

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// NoOptions is for transforms that have none.
type NoOptions = struct{}

// option is one field of an options struct.
type option struct {
	name     string
	doc      string
	index    int
	typ      reflect.Type
	required bool
	standard json.RawMessage // what stands for an option that is not given; nil for none
	allowed  []string        // the only texts allowed; nil for any
}

// optionsOf lists the options of a struct. Tags say all that types do not:
//
//	Pause  int64  `json:"pause_seconds" doc:"Seconds without a click that end a session."`
//	Times  uint   `json:"times" default:"1"`
//	Order  string `json:"order" enum:"newest,oldest" default:"newest"`
//	Prefix *string `json:"prefix"`
//
// An option must be given unless it has a default, is tagged `omitempty` or is a pointer.
func optionsOf(t reflect.Type) ([]option, error) {
	if t.Kind() != reflect.Struct {
		return nil, fmt.Errorf("options are a struct, not a %s", t)
	}
	var options []option
	for i := range t.NumField() {
		field := t.Field(i)
		name, flags, _ := strings.Cut(field.Tag.Get("json"), ",")
		switch {
		case !field.IsExported() || name == "-":
			continue
		case field.Anonymous:
			return nil, fmt.Errorf("`%s` of %s: options are not embedded; name the field", field.Name, t)
		case name == "":
			name = field.Name
		}
		o := option{name: name, doc: field.Tag.Get("doc"), index: i, typ: field.Type, required: true}
		if field.Type.Kind() == reflect.Pointer || slices.ContainsFunc(strings.Split(flags, ","), isOmit) {
			o.required = false
		}
		if allowed, ok := field.Tag.Lookup("enum"); ok {
			o.allowed = strings.Split(allowed, ",")
		}
		if standard, ok := field.Tag.Lookup("default"); ok {
			o.required = false
			o.standard = json.RawMessage(standard)
			if field.Type.Kind() == reflect.String {
				o.standard = strconv.AppendQuote(nil, standard)
			}
			if err := o.read(o.standard, reflect.New(field.Type).Elem()); err != nil {
				return nil, fmt.Errorf("the default of %w", err)
			}
		}
		if _, err := schemaOf(o.typ); err != nil {
			return nil, fmt.Errorf("`%s` of %s: %w", field.Name, t, err)
		}
		options = append(options, o)
	}
	return options, nil
}

func isOmit(flag string) bool { return flag == "omitempty" || flag == "omitzero" }

// readOptions fills `to` (a pointer to a struct) from a JSON object. Errors are of the kind config and name the option.
func readOptions(transform string, options []option, text []byte, to any) error {
	given := map[string]json.RawMessage{}
	if len(bytes.TrimSpace(text)) > 0 {
		if err := json.Unmarshal(text, &given); err != nil {
			return Config("the options of the transform `%s` are no JSON object: %w", transform, err)
		}
	}
	known := func(name string) bool {
		return slices.ContainsFunc(options, func(o option) bool { return o.name == name })
	}
	for _, name := range sortedKeys(given) {
		if !known(name) {
			return Config("there is no option `%s`; the transform `%s` has %s", name, transform, optionNames(options))
		}
	}
	target := reflect.ValueOf(to).Elem()
	for _, o := range options {
		value, ok := given[o.name]
		switch {
		case !ok && o.required:
			return Config("the option `%s` of the transform `%s` is missing", o.name, transform)
		case !ok && o.standard == nil:
			continue
		case !ok:
			value = o.standard
		}
		if err := o.read(value, target.Field(o.index)); err != nil {
			return Config("%w", err)
		}
	}
	return nil
}

// read decodes the value of an option.
func (o *option) read(value json.RawMessage, to reflect.Value) error {
	if err := checkValue(o.name, o.typ, value); err != nil {
		return err
	}
	decoder := json.NewDecoder(bytes.NewReader(value))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(to.Addr().Interface()); err != nil {
		var mismatch *json.UnmarshalTypeError
		switch {
		case errors.As(err, &mismatch) && mismatch.Field != "":
			return fmt.Errorf("the option `%s.%s` must be %s, not %s", o.name, mismatch.Field, wanted(mismatch.Type), mismatch.Value)
		case errors.As(err, &mismatch):
			return fmt.Errorf("the option `%s` must be %s, not %s", o.name, wanted(mismatch.Type), shown(value))
		}
		return fmt.Errorf("the option `%s` is wrong: %s", o.name, strings.TrimPrefix(err.Error(), "json: "))
	}
	if _, err := decoder.Token(); err != io.EOF {
		return fmt.Errorf("the option `%s` is followed by something else", o.name)
	}
	if o.allowed != nil {
		text := to
		if text.Kind() == reflect.Pointer {
			if text.IsNil() {
				return nil
			}
			text = text.Elem()
		}
		if !slices.Contains(o.allowed, text.String()) {
			return fmt.Errorf("the option `%s` must be one of `%s`, not `%s`", o.name, strings.Join(o.allowed, "`, `"), text)
		}
	}
	return nil
}

// checkValue finds what encoding/json silently accepts, at any depth: a null and a field that is missing, which would be 0 or "",
// a name in other capitals, an array of another length. What is of another type is found when it is decoded.
func checkValue(path string, t reflect.Type, value json.RawMessage) error {
	isNull := string(bytes.TrimSpace(value)) == "null"
	switch {
	case t.Kind() == reflect.Pointer:
		if isNull {
			return nil
		}
		return checkValue(path, t.Elem(), value)
	case isNull:
		return fmt.Errorf("the option `%s` must be %s, not null", path, wanted(t))
	case reflect.PointerTo(t).Implements(reflect.TypeFor[json.Unmarshaler]()):
		return nil
	}
	switch t.Kind() {
	case reflect.Slice, reflect.Array:
		var items []json.RawMessage
		if json.Unmarshal(value, &items) != nil {
			return nil
		}
		if t.Kind() == reflect.Array && len(items) != t.Len() {
			return fmt.Errorf("the option `%s` must be a list of %d, not of %d", path, t.Len(), len(items))
		}
		for i, item := range items {
			if err := checkValue(fmt.Sprintf("%s[%d]", path, i), t.Elem(), item); err != nil {
				return err
			}
		}
	case reflect.Map:
		var values map[string]json.RawMessage
		if json.Unmarshal(value, &values) != nil {
			return nil
		}
		for _, key := range sortedKeys(values) {
			if err := checkValue(path+"."+key, t.Elem(), values[key]); err != nil {
				return err
			}
		}
	case reflect.Struct:
		var given map[string]json.RawMessage
		if json.Unmarshal(value, &given) != nil {
			return nil
		}
		fields, err := optionsOf(t)
		if err != nil {
			return err
		}
		for _, name := range sortedKeys(given) {
			if !slices.ContainsFunc(fields, func(o option) bool { return o.name == name }) {
				return fmt.Errorf("there is no option `%s.%s`; `%s` has %s", path, name, path, optionNames(fields))
			}
		}
		for _, field := range fields {
			value, ok := given[field.name]
			switch {
			case !ok && field.required:
				return fmt.Errorf("the option `%s.%s` is missing", path, field.name)
			case !ok:
				continue
			}
			if err := checkValue(path+"."+field.name, field.typ, value); err != nil {
				return err
			}
		}
	}
	return nil
}

// shown is a value for a message, cut if it is long.
func shown(value json.RawMessage) string {
	const longest = 60
	text := []rune(string(value))
	if len(text) > longest {
		return string(text[:longest]) + "..."
	}
	return string(text)
}

// wanted names what an option takes.
func wanted(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return "an integer"
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return "an integer from 0 on"
	case reflect.Float32, reflect.Float64:
		return "a number"
	case reflect.String:
		return "a text"
	case reflect.Slice, reflect.Array:
		return "a list"
	case reflect.Pointer:
		return wanted(t.Elem())
	}
	return "an object"
}

func optionNames(options []option) string {
	if len(options) == 0 {
		return "none"
	}
	names := make([]string, len(options))
	for i, o := range options {
		names[i] = "`" + o.name + "`"
	}
	return strings.Join(names, ", ")
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}
