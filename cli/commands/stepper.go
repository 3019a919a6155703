package commands

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	tea "charm.land/bubbletea/v2"
	"github.com/moby/term"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"segno/cli/replay"
	"segno/events/condition"
	"segno/proto"
)

// isTerminal tells whether a person sits at both ends.
func isTerminal(streams genericiooptions.IOStreams) bool {
	in, okIn := streams.In.(*os.File)
	out, okOut := beneath(streams.Out).(*os.File)
	return okIn && okOut && term.IsTerminal(in.Fd()) && term.IsTerminal(out.Fd())
}

// step goes through a span by keys.
func step(ctx context.Context, span *replay.Span, when *condition.Condition, streams genericiooptions.IOStreams) error {
	s := newStepper(ctx, span, when)
	_, err := tea.NewProgram(s, tea.WithContext(ctx), tea.WithInput(streams.In), tea.WithOutput(beneath(streams.Out))).Run()
	if errors.Is(err, tea.ErrProgramKilled) && ctx.Err() != nil {
		return nil // it was interrupted, which is how one may leave
	}
	return err
}

// stepper is a replay that is stepped through: a bubbletea model.
type stepper struct {
	first, last proto.Seq
	frame       func(proto.Seq) (replay.Frame, error)
	search      func(at proto.Seq, back bool) (proto.Seq, error) // for the break; nil without one
	when        string

	now       replay.Frame
	note      string // about the last key
	searching bool
	err       error
	scroll    int
	width     int
	height    int
}

var _ tea.Model = (*stepper)(nil)

func newStepper(ctx context.Context, span *replay.Span, when *condition.Condition) *stepper {
	s := &stepper{
		first: span.First(), last: span.Last(), width: 100, height: 30,
		frame: func(seq proto.Seq) (replay.Frame, error) { return span.Frame(ctx, seq) },
	}
	if when != nil {
		s.when = when.String()
		s.search = func(at proto.Seq, back bool) (proto.Seq, error) {
			if back {
				return span.Previous(ctx, when, at)
			}
			return span.Next(ctx, when, at)
		}
	}
	s.show(s.first)
	return s
}

// Init implements tea.Model.
func (s *stepper) Init() tea.Cmd { return nil }

// show goes to a transaction of the span.
func (s *stepper) show(seq proto.Seq) {
	s.note, s.scroll = "", 0
	switch {
	case seq < s.first:
		seq, s.note = s.first, "this is where the span begins"
	case seq > s.last:
		seq, s.note = s.last, "this is where the span ends"
	}
	s.now, s.err = s.frame(seq)
}

// arrived says where a search for a break ended; 0 is nowhere.
type arrived struct {
	seq proto.Seq
	err error
}

// Update implements tea.Model.
func (s *stepper) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		s.width, s.height = msg.Width, msg.Height
	case arrived:
		s.searching = false
		switch {
		case msg.err != nil:
			s.err = msg.err
		case msg.seq == 0:
			s.note = "it does not become true there"
		default:
			s.show(msg.seq)
			s.note = fmt.Sprintf("%s is true", s.when)
		}
	case tea.KeyPressMsg:
		return s, s.key(msg.String())
	}
	return s, nil
}

// key does what a key stands for.
func (s *stepper) key(key string) tea.Cmd {
	const page = 10
	if key == "q" || key == "ctrl+c" || key == "esc" {
		return tea.Quit
	}
	if s.searching {
		return nil
	}
	switch key {
	case "right", "n", "space", "enter", "l":
		s.show(s.now.Seq + 1)
	case "left", "p", "backspace", "h":
		s.show(before(s.now.Seq, 1))
	case "pgdown":
		s.show(min(s.now.Seq+page, s.last))
	case "pgup":
		s.show(max(before(s.now.Seq, page), s.first))
	case "home", "g":
		s.show(s.first)
	case "end", "G":
		s.show(s.last)
	case "down", "j":
		s.scroll = min(s.scroll+1, max(strings.Count(frameText(s.now), "\n")-1, 0))
	case "up", "k":
		s.scroll = max(s.scroll-1, 0)
	case "b", "B":
		return s.find(key == "B")
	}
	return nil
}

// before is a sequence some way before another one, 0 at least.
func before(seq, by proto.Seq) proto.Seq { return seq - min(seq, by) }

// find looks for the next break, or the one before.
func (s *stepper) find(back bool) tea.Cmd {
	if s.search == nil {
		s.note = "there is no break to go to: start with --break 'EXPRESSION'"
		return nil
	}
	at, search := s.now.Seq, s.search
	s.searching = true
	return func() tea.Msg {
		seq, err := search(at, back)
		return arrived{seq, err}
	}
}

// View implements tea.Model.
func (s *stepper) View() tea.View {
	view := tea.NewView(s.text())
	view.AltScreen = true
	view.WindowTitle = "segno replay"
	return view
}
