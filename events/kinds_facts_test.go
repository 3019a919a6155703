package events_test

import (
	"strings"
	"testing"
	"unicode"

	"segno/events"
	"segno/events/kinds"
)

// TestE2FactsAreAClosedSet: of the real table, every name is a past-tense
// CamelCase word that belongs to one kind, and none is listed twice.
func TestE2FactsAreAClosedSet(t *testing.T) {
	table := kinds.Table()
	seen := map[events.Fact]bool{}
	for _, fact := range table.Facts() {
		if seen[fact] {
			t.Errorf("%s is listed twice", fact)
		}
		seen[fact] = true
		if !table.Known(fact) {
			t.Errorf("%s is listed and not known", fact)
		}
		for i, r := range fact {
			if !unicode.IsLetter(r) || i == 0 && !unicode.IsUpper(r) {
				t.Errorf("%s is not CamelCase", fact)
			}
		}
	}
	for _, name := range []events.Fact{"", "PodExploded", "podcreated", "PodCreated "} {
		if table.Known(name) {
			t.Errorf("%q is known", name)
		}
	}
	for _, kind := range table.All() {
		for _, turn := range []string{"Created", "SpecChanged", "StatusChanged", "DeletionRequested", "Deleted"} {
			if !table.Known(events.Fact(kind.GVK.Kind + turn)) {
				t.Errorf("%s%s is not known", kind.GVK.Kind, turn)
			}
		}
	}
	for _, fact := range []events.Fact{
		events.LeaderElected, events.PodBound, events.NodeSilent, events.NamespaceTerminating, events.DeploymentScaled, events.ContainerDied,
	} {
		if !seen[fact] {
			t.Errorf("%s is not listed", fact)
		}
	}
	if n := len(table.All()); len(seen) < 5*n || !strings.HasPrefix(string(table.Facts()[0]), "Leader") {
		t.Errorf("%d facts for %d kinds", len(seen), n)
	}
}
