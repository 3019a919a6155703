package commands

import (
	"fmt"
	"io"
	"time"

	"segno/cli/api/history"
	"segno/cli/replay"
)

// frameIndent is what lies below a transaction.
const frameIndent = "       "

// writeFrame prints a transaction of a replay: its events, what they changed, and
// what stands around it.
func writeFrame(out io.Writer, f replay.Frame, verified bool) {
	writeEvents(out, f.Transaction)
	for _, o := range f.Objects {
		writeDiff(out, o)
	}
	if len(f.Causes) > 0 {
		fmt.Fprintf(out, "%s↑ %s\n", frameIndent, transactionLine(f.Causes[0]))
	} else if f.Lost {
		fmt.Fprintf(out, "%s↑ %d, before this span\n", frameIndent, f.Cause)
	}
	const most = 3
	for i, effect := range f.Effects {
		if i == most {
			fmt.Fprintf(out, "%s↓ … and %d more\n", frameIndent, len(f.Effects)-most+f.More)
			break
		}
		fmt.Fprintf(out, "%s↓ %s\n", frameIndent, transactionLine(effect))
	}
	if verified {
		fmt.Fprintf(out, "%sstate %s\n", frameIndent, stateText(f.State))
	}
}

func transactionLine(t history.Transaction) string {
	return nodeLine(history.Object{}, &history.Node{Transaction: t})
}

// stateText is a state hash beside the recorded one.
func stateText(s replay.State) string {
	switch {
	case s.Folded == "":
		return s.Recorded + ", as it was recorded"
	case s.Equal():
		return s.Folded + ", recorded " + s.Recorded + ": the same"
	default:
		return s.Folded + ", recorded " + s.Recorded + ": DIFFERENT"
	}
}

// writeDiff prints what a transaction changed of an object, a line a field.
func writeDiff(out io.Writer, o history.ObjectState) {
	switch {
	case o.Deleted:
		fmt.Fprintf(out, "%s- %s\n", frameIndent, nameOf(o.Object))
		return
	case o.Created:
		r := concealOne(o.Object, history.Revision{Changes: o.Changes})
		fmt.Fprintf(out, "%s+ %s  %s\n", frameIndent, nameOf(o.Object), summary(r.Changes, 2))
		return
	}
	r := concealOne(o.Object, history.Revision{Changes: o.Changes})
	for _, change := range r.Changes {
		fmt.Fprintf(out, "%s~ %s %s\n", frameIndent, nameOf(o.Object), brief(change))
	}
}

// writeVerdict says what a replay came to.
func writeVerdict(out io.Writer, v replay.Verdict, took time.Duration) {
	speed := float64(v.Transactions) / max(took.Seconds(), 1e-9)
	fmt.Fprintf(out, "%d transactions, %d to %d, were fetched and folded in %s (%.0f a second).\n",
		v.Transactions, v.From, v.To, took.Round(time.Millisecond), speed)
	switch {
	case !v.Compared:
		fmt.Fprintf(out, "State hash %s was recorded; the values of Secrets were left out, and --verify is needed to compare.\n", v.Recorded)
	case v.Differs == 0:
		fmt.Fprintf(out, "%d transactions, state hash %s equals the recorded one, after each of them.\n", v.Transactions, v.State)
	default:
		fmt.Fprintf(out, "State hash %s, recorded %s: they differ from transaction %d on.\n", v.State, v.Recorded, v.Differs)
	}
}
