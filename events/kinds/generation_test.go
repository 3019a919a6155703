package kinds_test

import (
	"testing"
)

// TestW3Generation: what counts as a new wish. The cases are the object before
// and after; the golden answer is the generation after 1.
func TestW3Generation(t *testing.T) {
	golden(t, "generation_*.txtar", "generation", func(t *testing.T, files map[string][]byte) string {
		kind, before := created(t, files["before"])
		_, after := defaulted(t, files["after"])
		after.SetGeneration(before.GetGeneration())
		kind.PrepareUpdate(after, before)
		return dump(t, []int64{before.GetGeneration(), after.GetGeneration()})
	})
}
