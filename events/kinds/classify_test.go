package kinds_test

import (
	"fmt"
	"testing"

	"segno/events"
	"segno/proto"
)

// TestE2Facts: the name and the reason of a change, for each section that it
// is seen in. What is left empty gets the kind's generic name.
func TestE2Facts(t *testing.T) {
	golden(t, "classify_*.txtar", "fact", func(t *testing.T, files map[string][]byte) string {
		kind, after := defaulted(t, files["after"])
		var before events.Object
		if files["before"] != nil {
			_, before = defaulted(t, files["before"])
		}
		out := ""
		for _, section := range []struct {
			name string
			of   proto.Section
		}{{"spec", proto.SectionSpec}, {"status", proto.SectionStatus}} {
			fact, reason := kind.Classify(before, after, section.of)
			if fact != "" && !table.Known(events.Fact(fact)) {
				t.Errorf("%s is not in the closed set of facts", fact)
			}
			if fact != "" {
				out += fmt.Sprintf("%s: %s %s\n", section.name, fact, reason)
			}
		}
		return out
	})
}

// TestE2FactsOfNothing: creations and deletions ask for no field of a missing object.
func TestE2FactsOfNothing(t *testing.T) {
	for _, kind := range table.All() {
		obj := kind.New()
		for _, section := range []proto.Section{proto.SectionSpec, proto.SectionStatus, proto.SectionGone} {
			kind.Classify(nil, obj, section)
			if fact, _ := kind.Classify(obj, nil, section); fact != "" {
				t.Errorf("the deletion of a %s is named %s", kind.GVK.Kind, fact)
			}
			if fact, reason := kind.Classify(obj, obj, section); fact != "" {
				t.Errorf("no change of a %s is named %s %s", kind.GVK.Kind, fact, reason)
			}
		}
	}
}
