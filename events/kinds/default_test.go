package kinds_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/equality"

	"segno/events"
)

// TestO10Defaults: what a creation makes of an object, before admission.
func TestO10Defaults(t *testing.T) {
	golden(t, "default_*.txtar", "out", func(t *testing.T, files map[string][]byte) string {
		kind, obj := created(t, files["in"])
		again := events.Copy(obj)
		if kind.Default != nil {
			kind.Default(again)
		}
		if !equality.Semantic.DeepEqual(obj, again) {
			t.Errorf("defaults of defaults differ (-once +twice):\n%s", cmp.Diff(dump(t, obj), dump(t, again)))
		}
		return dump(t, obj)
	})
}
