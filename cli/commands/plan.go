package commands

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"segno/cli/api/history"
	"segno/events/undo"
	"segno/proto"
)

// writePlan shows what would be taken back.
func writePlan(out io.Writer, title string, plan *undo.Plan) error {
	fmt.Fprintf(out, "%s %s:\n", title, titleOf(plan))
	if plan.Empty() {
		fmt.Fprintln(out, "  nothing to do")
	}
	writeNotes(out, "Already so:", plan.Already)
	for _, step := range plan.Steps {
		fmt.Fprintf(out, "  %s %s\n", step.Verb, nameOf(step.Object))
		writeStep(out, step)
	}
	if err := writeConflicts(out, plan.Conflicts); err != nil {
		return err
	}
	writeNotes(out, "Left as it is:", plan.Left)
	writeNotes(out, "Does not come back:", plan.Lost)
	if plan.Refused != "" {
		fmt.Fprintf(out, "It cannot be carried out:\n  %s\n", plan.Refused)
	}
	return nil
}

func titleOf(plan *undo.Plan) string {
	if plan.Restore != nil {
		return fmt.Sprintf("%s as of %s", nameOf(plan.Restore.Object), plan.Restore.At)
	}
	return seqsOf(plan.Undo)
}

func seqsOf(seqs []proto.Seq) string {
	var words []string
	for _, seq := range seqs {
		words = append(words, seq.String())
	}
	return strings.Join(words, ", ")
}

// writeStep shows each field that would change; of what is made anew, what people
// care for most.
func writeStep(out io.Writer, step undo.Step) {
	var changes []history.Change
	for _, change := range step.Changes {
		if concealed(step.Object, change.Path) {
			change = history.Change{Path: change.Path, New: json.RawMessage(`"` + fateOf(change) + `"`)}
		}
		changes = append(changes, change)
	}
	const most = 3
	switch {
	case step.Verb == "create":
		fmt.Fprintf(out, "      %s\n", summary(changes, most))
	case step.Verb == "update" && len(changes) == 0:
		fmt.Fprintln(out, "      the order of a list")
	case step.Verb == "update":
		for _, change := range changes {
			fmt.Fprintf(out, "      %s\n", brief(change))
		}
	}
}

func writeConflicts(out io.Writer, conflicts []undo.Conflict) error {
	if len(conflicts) == 0 {
		return nil
	}
	text := "left alone; --force takes the old value"
	if conflicts[0].Forced {
		text = "the old value is taken all the same"
	}
	fmt.Fprintf(out, "Changed again since (%s):\n", text)
	table := tabwriter.NewWriter(out, 0, 8, 3, ' ', 0)
	fmt.Fprintln(table, "  OBJECT\tFIELD\tOLD\tNOW\tSEQ\tACTOR\tVIA")
	for _, c := range conflicts {
		field, old, now := "."+c.Path, value(c.Old), value(c.Now)
		if c.Path == "" {
			field, old, now = "the object itself", "was not there", "there, made since"
		}
		if c.Path != "" && concealed(c.Object, c.Path) {
			old, now = "…", "…"
		}
		by := undo.Author{}
		if c.By != nil {
			by = *c.By
		}
		fmt.Fprintf(table, "  %s\t%s\t%s\t%s\t%s\t%s\t%s\n", nameOf(c.Object), field, old, now, by.Seq, by.Actor, cut(by.Via, viaWidth))
	}
	return table.Flush()
}

func value(v json.RawMessage) string {
	if v == nil {
		return "(none)"
	}
	return plain(v)
}

func writeNotes(out io.Writer, title string, notes []undo.Note) {
	if len(notes) == 0 {
		return
	}
	fmt.Fprintln(out, title)
	for _, note := range notes {
		text := note.Text
		if note.Object != nil {
			text = nameOf(*note.Object) + ": " + text
		}
		fmt.Fprintln(out, "  "+text)
	}
}

// writeDone tells which transactions carried the plan out.
func writeDone(out io.Writer, plan *undo.Plan) error {
	_, err := fmt.Fprintf(out, "done by %s; to take that back: segno undo %s\n", seqsOf(plan.Done), strings.ReplaceAll(seqsOf(plan.Done), ",", ""))
	return err
}
