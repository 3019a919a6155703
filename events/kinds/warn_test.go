package kinds_test

import (
	"strings"
	"testing"
)

// TestO10Warnings: what an author is told of an object that is accepted. A case
// is the object (yaml), with the object before it (old) for a change.
func TestO10Warnings(t *testing.T) {
	golden(t, "warn_*.txtar", "warnings", func(t *testing.T, files map[string][]byte) string {
		kind, obj := created(t, files["yaml"])
		if errs := kind.Validate(obj); len(errs) > 0 {
			t.Errorf("warned of, and yet not accepted: %v", errs)
		}
		warnings := kind.Warn(obj, nil)
		if files["old"] != nil {
			_, old := created(t, files["old"])
			warnings = kind.Warn(obj, old)
		}
		var b strings.Builder
		for _, text := range warnings {
			b.WriteString(text + "\n")
		}
		return b.String()
	})
}
