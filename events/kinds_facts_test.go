package events_test

import (
	"go/ast"
	"go/parser"
	"go/token"
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
	for _, fact := range declaredFacts(t) {
		if !seen[fact] {
			t.Errorf("%s is a constant and not listed", fact)
		}
	}
	if n := len(table.All()); len(declaredFacts(t)) < 20 || len(seen) < 5*n || !strings.HasPrefix(string(table.Facts()[0]), "Leader") {
		t.Errorf("%d facts for %d kinds", len(seen), n)
	}
}

// declaredFacts reads the constants out of the source: one that somebody forgot
// to list would silently give way to a generic name.
func declaredFacts(t *testing.T) (out []events.Fact) {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "fact.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(file, func(n ast.Node) bool {
		if spec, ok := n.(*ast.ValueSpec); ok {
			if kind, ok := spec.Type.(*ast.Ident); ok && kind.Name == "Fact" {
				out = append(out, events.Fact(spec.Names[0].Name))
			}
		}
		return true
	})
	return out
}
