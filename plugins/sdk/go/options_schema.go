// The JSON Schema of options, derived from their struct, so that editors complete and check a pipeline file.

package transom

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
)

// jsonSchema is the part of JSON Schema that Go types need.
type jsonSchema struct {
	Schema      string                 `json:"$schema,omitempty"`
	Type        any                    `json:"type,omitempty"`
	Description string                 `json:"description,omitempty"`
	Enum        []string               `json:"enum,omitempty"`
	Minimum     *int64                 `json:"minimum,omitempty"`
	Maximum     *float64               `json:"maximum,omitempty"`
	Default     json.RawMessage        `json:"default,omitempty"`
	Items       *jsonSchema            `json:"items,omitempty"`
	Properties  map[string]*jsonSchema `json:"properties,omitempty"`
	Required    []string               `json:"required,omitempty"`
	// Additional is false for a struct, the schema of the values for a map.
	Additional any `json:"additionalProperties,omitempty"`
}

// optionsSchema is the schema of all options, as text.
func optionsSchema(options []option) string {
	schema, err := objectSchema(options)
	if err != nil {
		panic("transom: " + err.Error())
	}
	schema.Schema = "https://json-schema.org/draft/2020-12/schema"
	text, err := json.Marshal(schema)
	if err != nil {
		panic("transom: " + err.Error())
	}
	return string(text)
}

func objectSchema(options []option) (*jsonSchema, error) {
	object := &jsonSchema{Type: "object", Properties: map[string]*jsonSchema{}, Additional: false}
	for _, o := range options {
		property, err := schemaOf(o.typ)
		if err != nil {
			return nil, err
		}
		property.Description, property.Enum, property.Default = o.doc, o.allowed, o.standard
		object.Properties[o.name] = property
		if o.required {
			object.Required = append(object.Required, o.name)
		}
	}
	return object, nil
}

func schemaOf(t reflect.Type) (*jsonSchema, error) {
	zero := int64(0)
	switch t.Kind() {
	case reflect.Bool:
		return &jsonSchema{Type: "boolean"}, nil
	case reflect.Int, reflect.Int64:
		return &jsonSchema{Type: "integer"}, nil
	case reflect.Int8, reflect.Int16, reflect.Int32:
		low, high := int64(-1)<<(t.Bits()-1), float64(int64(1)<<(t.Bits()-1)-1)
		return &jsonSchema{Type: "integer", Minimum: &low, Maximum: &high}, nil
	case reflect.Uint, reflect.Uint64:
		return &jsonSchema{Type: "integer", Minimum: &zero}, nil
	case reflect.Uint8, reflect.Uint16, reflect.Uint32:
		high := float64(uint64(1)<<t.Bits() - 1)
		return &jsonSchema{Type: "integer", Minimum: &zero, Maximum: &high}, nil
	case reflect.Float32, reflect.Float64:
		return &jsonSchema{Type: "number"}, nil
	case reflect.String:
		return &jsonSchema{Type: "string"}, nil
	case reflect.Pointer:
		schema, err := schemaOf(t.Elem())
		if err == nil {
			schema.Type = []any{schema.Type, "null"}
		}
		return schema, err
	case reflect.Slice, reflect.Array:
		items, err := schemaOf(t.Elem())
		return &jsonSchema{Type: "array", Items: items}, err
	case reflect.Map:
		if t.Key().Kind() == reflect.String {
			values, err := schemaOf(t.Elem())
			return &jsonSchema{Type: "object", Additional: values}, err
		}
	case reflect.Struct:
		options, err := optionsOf(t)
		if err != nil {
			return nil, err
		}
		for _, o := range options {
			// Only options themselves are filled one by one; what is within them is by encoding/json.
			if o.standard != nil || o.allowed != nil {
				return nil, fmt.Errorf("`%s` of %s: only an option itself may have a default or an enum", o.name, t)
			}
		}
		return objectSchema(options)
	}
	return nil, fmt.Errorf("a %s is no type of an option", strconv.Quote(t.String()))
}
