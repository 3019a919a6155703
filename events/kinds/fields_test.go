package kinds_test

import (
	"maps"
	"slices"
	"testing"
)

// TestO5FieldValues: what field selectors are compared with.
func TestO5FieldValues(t *testing.T) {
	golden(t, "fields_*.txtar", "fields", func(t *testing.T, files map[string][]byte) string {
		kind, obj := load(t, files["yaml"])
		set := kind.Fields(obj)
		out := ""
		for _, name := range slices.Sorted(maps.Keys(set)) {
			out += name + "=" + set[name] + "\n"
		}
		return out
	})
}
