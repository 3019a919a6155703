package commands

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/duration"

	"segno/cli/api/history"
	"segno/proto"
)

// row is what a table of the past shows on one line: a revision, or several in
// a row in which one actor did nothing but report.
type row struct {
	history.Revision
	from    history.Transaction // the first of them
	times   int
	reasons []string
}

// rowsOf folds reports in a row together.
func rowsOf(revisions []history.Revision) (rows []row) {
	for _, r := range revisions {
		_, reason := factsOf(r.Events)
		if n := len(rows); n > 0 && onlyReports(rows[n-1].Revision) && onlyReports(r) &&
			rows[n-1].Actor == r.Actor && rows[n-1].UID == r.UID {
			last := &rows[n-1]
			r.Changes = together(last.Changes, r.Changes)
			last.Revision = r
			last.times++
			if !slices.Contains(last.reasons, reason) {
				last.reasons = append(last.reasons, reason)
			}
			continue
		}
		rows = append(rows, row{Revision: r, from: r.Transaction, times: 1, reasons: []string{reason}})
	}
	return rows
}

// onlyReports tells whether a component wrote a status and nothing happened that
// has a name.
func onlyReports(r history.Revision) bool {
	return !r.Created && !r.Deleted && !r.Actor.Person() && strings.HasSuffix(mainFact(r.Events), "StatusChanged")
}

// mainFact is the event that tells most: one with a name of its own, else that
// of the status.
func mainFact(all []history.Event) string {
	best := ""
	for _, ev := range all {
		general := strings.HasSuffix(ev.Fact, "StatusChanged")
		switch {
		case !general && ev.Fact != "AnnotationsChanged":
			return ev.Fact
		case general || best == "":
			best = ev.Fact
		}
	}
	return best
}

func (r row) seqs() string {
	if r.times == 1 {
		return r.Seq.String()
	}
	return r.from.Seq.String() + "…" + r.Seq.String()
}

func (r row) fact() string {
	if r.times == 1 {
		return tellingFacts(r.Events)
	}
	return fmt.Sprintf("%s ×%d", mainFact(r.Events), r.times)
}

// tellingFacts is mainFact, and behind it the end of the object where it came with
// that: a node reports how a pod ended together with its deletion.
func tellingFacts(all []history.Event) string {
	fact, end := mainFact(all), endOf(all)
	switch {
	case end == "" || end == fact:
		return fact
	case strings.HasSuffix(fact, "StatusChanged"):
		return end
	default:
		return fact + "," + end
	}
}

// endOf is the event with which an object was gone; "" where none was.
func endOf(all []history.Event) string {
	for _, ev := range all {
		if ev.Section == proto.SectionGone.Name() {
			return ev.Fact
		}
	}
	return ""
}

// change is what is new, and for a person how it was asked for.
func (r row) change() string {
	const ofNew, ofChanged = 2, 3
	most := ofChanged
	if r.Created {
		most = ofNew
	}
	text := summary(r.Changes, most)
	if r.Actor.Person() && r.Via != "" {
		text = strings.TrimSpace(text + "  [" + cut(r.Via, viaWidth) + "]")
	}
	return text
}

// when is a time as people say it: the hour of today, else the day, and how long
// ago that is.
func when(at, now time.Time) string {
	layout := "2006-01-02 15:04"
	if at, now := at.Local(), now.Local(); at.YearDay() == now.YearDay() && at.Year() == now.Year() {
		layout = time.TimeOnly
	}
	return fmt.Sprintf("%s (%s)", at.Local().Format(layout), duration.HumanDuration(now.Sub(at)))
}
