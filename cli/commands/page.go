package commands

import (
	"fmt"
	"strings"
	"time"

	"charm.land/lipgloss/v2"

	"segno/cli/replay"
)

// Looks of a page.
var (
	looksHead  = lipgloss.NewStyle().Bold(true).Reverse(true)
	looksTitle = lipgloss.NewStyle().Bold(true).Foreground(lipgloss.Cyan)
	looksFaint = lipgloss.NewStyle().Faint(true)
	looksNow   = lipgloss.NewStyle().Bold(true)
	looksGood  = lipgloss.NewStyle().Foreground(lipgloss.Green)
	looksBad   = lipgloss.NewStyle().Bold(true).Foreground(lipgloss.Red)
)

// page gathers lines.
type page struct{ strings.Builder }

func (p *page) line(style lipgloss.Style, format string, args ...any) {
	p.WriteString(style.Render(visible(fmt.Sprintf(format, args...))))
	p.WriteByte('\n')
}

// text is what the terminal shows: a head, the frame as far as it fits, a foot.
func (s *stepper) text() string {
	var head, foot page
	head.line(looksHead, " segno replay  transaction %d of %d to %d  %s ", s.now.Seq, s.first, s.last, s.now.Time.Local().Format(timeFormat))
	switch {
	case s.err != nil:
		foot.line(looksBad, "%s", s.err)
	case s.searching:
		foot.line(looksFaint, "looking for where %s becomes true …", s.when)
	default:
		foot.line(looksFaint, "%s", s.note)
	}
	keys := "→ ← step   PgDn PgUp ten   g G ends   ↑ ↓ scroll   q quit"
	if s.search != nil {
		keys = "→ ← step   b B next, last break   PgDn PgUp ten   g G ends   ↑ ↓ scroll   q quit"
	}
	foot.WriteString(looksFaint.Render(keys))
	body := strings.Split(strings.TrimRight(frameText(s.now), "\n"), "\n")
	room := max(s.height-strings.Count(head.String(), "\n")-strings.Count(foot.String(), "\n")-1, 1)
	from := min(s.scroll, max(len(body)-room, 0))
	body = body[from:min(from+room, len(body))]
	for i, line := range body {
		body[i] = lipgloss.NewStyle().MaxWidth(max(s.width, 20)).Render(line)
	}
	for len(body) < room {
		body = append(body, "")
	}
	return head.String() + strings.Join(body, "\n") + "\n" + foot.String()
}

// frameText is one transaction on a page: its events, the diff, the tree, the
// state.
func frameText(f replay.Frame) string {
	var p page
	p.WriteByte('\n')
	p.line(looksTitle, "EVENTS")
	for _, ev := range f.Events {
		line := fmt.Sprintf("  %s  %s", ev.Fact, nameOf(ev.Object))
		if reason := reasonOf(ev); reason != "" {
			line += " (" + reason + ")"
		}
		p.line(looksNow, "%s", line)
	}
	p.line(looksFaint, "  %s %s  %s", f.Actor, f.Verb, f.Via)
	p.WriteByte('\n')
	p.line(looksTitle, "CHANGED")
	var diff page
	for _, o := range f.Objects {
		writeDiff(&diff, o, 0)
		writeLeftOut(&diff, f, o)
	}
	if diff.Len() == 0 {
		diff.WriteString("  nothing\n")
	}
	p.WriteString(strings.ReplaceAll(visible(diff.String()), frameIndent, "  "))
	p.WriteByte('\n')
	p.line(looksTitle, "AROUND")
	writeAround(&p, f)
	p.WriteByte('\n')
	p.line(looksTitle, "STATE")
	looks := looksFaint
	if f.State.Folded != "" {
		if looks = looksGood; !f.State.Equal() {
			looks = looksBad
		}
	}
	for line := range strings.SplitSeq(stateText(f.State, true), ", ") {
		p.line(looks, "  %s", line)
	}
	return p.String()
}

// writeAround draws the causes above a transaction and its effects below it.
func writeAround(p *page, f replay.Frame) {
	if f.Lost {
		p.line(looksFaint, "  (it goes back to before this span)")
	}
	depth := 0
	for i := len(f.Causes) - 1; i >= 0; i-- {
		p.line(looksFaint, "%s%s", branch(depth), transactionLine(f.Causes[i]))
		depth++
	}
	p.line(looksNow, "%s%s", branch(depth), transactionLine(f.Transaction))
	for _, effect := range f.Effects {
		after := effect.Time.Sub(f.Time).Round(time.Millisecond)
		p.line(lipgloss.NewStyle(), "%s%s  +%s", branch(depth+1), transactionLine(effect), after)
	}
	if f.More > 0 {
		p.line(looksFaint, "%s… and %d more", branch(depth+1), f.More)
	}
}

// branch begins a line that many steps down the tree.
func branch(depth int) string {
	if depth == 0 {
		return "  "
	}
	return "  " + strings.Repeat("   ", depth-1) + "└─ "
}
