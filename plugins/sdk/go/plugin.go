// What a plugin offers, as its init functions registered it, and the handles that the host opens on it.

package transom

import (
	"fmt"
	"slices"
)

// registry is all that is registered in this program.
type registry struct {
	name, version string
	functions     []*function
	transforms    []*transform
}

var plugin registry

// Plugin names the plugin and its version, as `transom inspect` and messages show them. Call it from init.
func Plugin(name, version string) {
	plugin.name, plugin.version = name, version
}

func (r *registry) addFunction(f *function) {
	if slices.ContainsFunc(r.functions, func(other *function) bool { return other.name == f.name }) {
		panic(fmt.Sprintf("transom: two functions are called `%s`", f.name))
	}
	r.functions = append(r.functions, f)
}

func (r *registry) addTransform(t *transform) {
	if slices.ContainsFunc(r.transforms, func(other *transform) bool { return other.name == t.name }) {
		panic(fmt.Sprintf("transom: two transforms are called `%s`", t.name))
	}
	r.transforms = append(r.transforms, t)
}

// check says what is missing of a plugin.
func (r *registry) check() error {
	if r.name == "" {
		return Internal("the plugin has no name: call `transom.Plugin(\"name\", \"0.1.0\")` in its `init`")
	}
	return nil
}

// handles are what the host has open. Numbers count upwards and are never used again, so that a closed handle is distinguished
// from every other.
type handles[T any] struct {
	next uint32
	open map[uint32]*T
}

func (h *handles[T]) add(value *T) uint32 {
	if h.open == nil {
		h.open = map[uint32]*T{}
	}
	h.next++
	h.open[h.next] = value
	return h.next
}

func (h *handles[T]) get(handle uint32) (*T, error) {
	if value, ok := h.open[handle]; ok {
		return value, nil
	}
	return nil, Internal("handle %d is not open", handle)
}

func (h *handles[T]) close(handle uint32) { delete(h.open, handle) }
