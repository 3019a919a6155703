package commands

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"time"

	"segno/cli/api/history"
	"segno/cli/replay"
	"segno/proto"
)

// frameIndent is what lies below a transaction.
const frameIndent = "       "

// fewFields is how many changed fields of an object are shown unless all are asked
// for; 0 is all.
func fewFields(full bool) int {
	if full {
		return 0
	}
	return 6
}

// writeFrame prints a transaction of a replay: its events, what they changed, and
// what stands around it.
func writeFrame(out io.Writer, f replay.Frame, verified, full bool) {
	writeEvents(out, f.Transaction)
	for _, o := range f.Objects {
		writeDiff(out, o, fewFields(full))
		writeLeftOut(out, f, o)
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
		fmt.Fprintf(out, "%sstate %s\n", frameIndent, stateText(f.State, full))
	}
}

func transactionLine(t history.Transaction) string {
	return nodeLine(proto.Object{}, &history.Node{Transaction: t})
}

// shortHash is as much of a hash as tells it from others on a screen.
func shortHash(hash string) string {
	const most = 12
	return hash[:min(len(hash), most)]
}

// stateText is a state hash beside the recorded one: whole where they differ.
func stateText(s replay.State, full bool) string {
	if !full && (s.Folded == "" || s.Equal()) {
		s.Folded, s.Recorded = shortHash(s.Folded), shortHash(s.Recorded)
	}
	switch {
	case s.Folded == "":
		return s.Recorded + " was recorded, not compared"
	case s.Equal():
		return s.Folded + ", the same as was recorded"
	default:
		return s.Folded + ", recorded " + s.Recorded + ": DIFFERENT"
	}
}

// writeLeftOut says of a Secret that it changed where its values were left out.
func writeLeftOut(out io.Writer, f replay.Frame, o history.ObjectState) {
	if f.State.Folded == "" && o.Object.Group == "" && o.Object.Resource == "secrets" && !o.Created && !o.Deleted {
		fmt.Fprintf(out, "%s~ %s (values left out)\n", frameIndent, nameOf(o.Object))
	}
}

// writeDiff prints what a transaction changed of an object, a line a field, what
// matters most first; most is how many, 0 is all. What only keeps the books is
// shown where nothing else changed, or all is wanted.
func writeDiff(out io.Writer, o history.ObjectState, most int) {
	if o.Deleted {
		fmt.Fprintf(out, "%s- %s\n", frameIndent, nameOf(o.Object))
		return
	}
	changes := concealOne(o.Object, history.Revision{Changes: o.Changes}).Changes
	if o.Created {
		fmt.Fprintf(out, "%s+ %s  %s\n", frameIndent, nameOf(o.Object), summary(changes, 2))
		return
	}
	slices.SortStableFunc(changes, func(a, b history.Change) int { return cmp.Compare(weigh(a), weigh(b)) })
	for i, change := range changes {
		if most > 0 && (i == most || i > 0 && weigh(change) == ofNoise) {
			fmt.Fprintf(out, "%s~ %s +%d more\n", frameIndent, nameOf(o.Object), len(changes)-i)
			return
		}
		fmt.Fprintf(out, "%s~ %s %s\n", frameIndent, nameOf(o.Object), brief(change))
	}
}

// writeVerdict says what a replay came to; file is what was replayed, "" is the
// cluster's log.
func writeVerdict(out io.Writer, v replay.Verdict, took time.Duration, file string) {
	fmt.Fprintf(out, "%d transactions, %d to %d, were fetched and folded in %s.\n", v.Transactions, v.From, v.To, took.Round(time.Millisecond))
	switch {
	case !v.Compared && file != "":
		fmt.Fprintf(out, "State hash %s was recorded; the values of Secrets were left out of %s, so that it cannot be compared.\n", v.Recorded, cmp.Or(file, "the file"))
	case !v.Compared:
		fmt.Fprintf(out, "State hash %s was recorded; the values of Secrets were left out, and --verify is needed to compare.\n", v.Recorded)
	case v.Differs == 0:
		fmt.Fprintf(out, "%d transactions, state hash %s equals the recorded one, after each of them.\n", v.Transactions, v.State)
	default:
		fmt.Fprintf(out, "State hash %s, recorded %s: they differ from transaction %d on.\n", v.State, v.Recorded, v.Differs)
	}
}
