package commands

import (
	"strings"
	"testing"

	"segno/events/undo"
	"segno/proto"
)

// TestE12PlansSayWhatIsSo in words, where there is no value to show.
func TestE12PlansSayWhatIsSo(t *testing.T) {
	object := proto.Object{Resource: "configmaps", Namespace: "default", Name: "app"}
	for _, test := range []struct {
		plan undo.Plan
		want string
	}{
		{undo.Plan{Conflicts: []undo.Conflict{{Object: object, By: &undo.Author{Seq: 7, Actor: "user:ada"}}}}, "the object itself   was not there   there, made since   7     user:ada"},
		{undo.Plan{Already: []undo.Note{{Object: &object, Text: "it is so since 7, by user:ada"}}}, "Already so:\n  configmaps/default/app: it is so since 7, by user:ada\n"},
		{undo.Plan{Already: []undo.Note{{Text: "no person has changed any of it since 7"}}}, "Already so:\n  no person"},
	} {
		var out strings.Builder
		if err := writePlan(&out, "Undo", &test.plan); err != nil || !strings.Contains(out.String(), test.want) || strings.Contains(out.String(), "(none)") {
			t.Errorf("%s%v, want %s", out.String(), err, test.want)
		}
	}
}
