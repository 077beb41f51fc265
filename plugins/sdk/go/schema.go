// Fields of a schema, as a tree; the contract lists them depth first.

package transom

import (
	"slices"
	"strings"
)

// Field is one column of a schema, or one child of a nested column.
type Field struct {
	// Name of the column.
	Name string
	// Format is the format string of the Arrow C data interface: `l` is Int64, `u` Utf8, `tsu:UTC` a timestamp.
	Format string
	// Nullable says whether a value may be null.
	Nullable bool
	// Metadata of the field; nil when there is none.
	Metadata map[string]string
	// Children of a list, struct or map.
	Children []Field
}

// FieldOf is a field of the Arrow type of T; it is nullable when T is [Null]. It panics for a type that has no Arrow type.
func FieldOf[T any](name string) Field {
	return mustValueType[T]().field(name)
}

// SameType says whether two fields have the same Arrow type; names and metadata do not count at the top.
func (f Field) SameType(other Field) bool {
	return f.Format == other.Format && slices.EqualFunc(f.Children, other.Children, func(a, b Field) bool {
		return a.Name == b.Name && a.Nullable == b.Nullable && a.SameType(b)
	})
}

// Schema is the columns of a table.
type Schema []Field

// Index is the place of the first column of that name, or -1.
func (s Schema) Index(name string) int {
	return slices.IndexFunc(s, func(f Field) bool { return f.Name == name })
}

// names of the columns for a message: "`a`, `b`".
func (s Schema) names() string {
	quoted := make([]string, len(s))
	for i, field := range s {
		quoted[i] = "`" + field.Name + "`"
	}
	return strings.Join(quoted, ", ")
}

// lookup finds a column or says which there are.
func (s Schema) lookup(name string) (int, error) {
	if i := s.Index(name); i >= 0 {
		return i, nil
	}
	if len(s) == 0 {
		return 0, Config("there is no column `%s`; the input has none", name)
	}
	return 0, Config("there is no column `%s`; the input has %s", name, s.names())
}

// flatField is a field as the contract lists it: children follow, and only their number is said.
type flatField struct {
	name, format string
	nullable     bool
	metadata     map[string]string
	children     int
}

func flatten(to []flatField, fields ...Field) []flatField {
	for _, f := range fields {
		to = append(to, flatField{f.Name, f.Format, f.Nullable, f.Metadata, len(f.Children)})
		to = flatten(to, f.Children...)
	}
	return to
}

// unflatten rebuilds the tree; the host has checked that the numbers of children add up.
func unflatten(fields []flatField) Schema {
	var one func() Field
	one = func() Field {
		flat := fields[0]
		fields = fields[1:]
		field := Field{Name: flat.name, Format: flat.format, Nullable: flat.nullable, Metadata: flat.metadata}
		for range flat.children {
			field.Children = append(field.Children, one())
		}
		return field
	}
	var schema Schema
	for len(fields) > 0 {
		schema = append(schema, one())
	}
	return schema
}
