package commands

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"

	"segno/cli/api/history"
	"segno/cli/replay"
	"segno/proto"
)

// fakeSpan is ten transactions, 11 to 20, each the cause of the next; at 13 and 17
// something becomes true.
func fakeSpan() *stepper {
	frame := func(seq proto.Seq) history.Transaction {
		return history.Transaction{
			Seq: seq, Time: time.Date(2026, 11, 23, 12, 0, int(seq), 0, time.UTC), Actor: "user:ada", Verb: "update", Cause: seq - 1, Via: fmt.Sprintf("segno number %d", seq),
			Events: []history.Event{{Fact: "DeploymentScaled", Reason: "Requested", Object: proto.Object{Group: "apps", Resource: "deployments", Namespace: "default", Name: fmt.Sprintf("web-%d", seq)}}},
		}
	}
	s := &stepper{first: 11, last: 20, width: 160, height: 40, when: "it is so"}
	s.frame = func(seq proto.Seq) (replay.Frame, error) {
		f := replay.Frame{Transaction: frame(seq), State: replay.State{Folded: "abc", Recorded: "abc"}}
		f.Objects = []history.ObjectState{{Object: f.Events[0].Object, Changes: []history.Change{{Path: "spec.replicas", Old: []byte("1"), New: []byte(fmt.Sprint(uint64(seq)))}}}}
		for at := seq - 1; at >= 11; at-- {
			f.Causes = append(f.Causes, frame(at))
		}
		f.Lost = true
		if seq < 20 {
			f.Effects = append(f.Effects, frame(seq+1))
		}
		return f, nil
	}
	s.search = func(at proto.Seq, back bool) (proto.Seq, error) {
		for _, seq := range []proto.Seq{13, 17} {
			if !back && seq > at {
				return seq, nil
			}
		}
		for _, seq := range []proto.Seq{17, 13} {
			if back && seq < at {
				return seq, nil
			}
		}
		return 0, nil
	}
	s.show(s.first)
	return s
}

var colours = regexp.MustCompile("\x1b\\[[0-9;]*m")

func uncoloured(text string) string { return colours.ReplaceAllString(text, "") }

// press presses keys, and lets what they begin end. It tells whether one of them
// ended the program.
func press(s *stepper, keys ...string) (quit bool) {
	codes := map[string]tea.KeyPressMsg{
		"right": {Code: tea.KeyRight}, "left": {Code: tea.KeyLeft}, "home": {Code: tea.KeyHome}, "end": {Code: tea.KeyEnd},
		"pgup": {Code: tea.KeyPgUp}, "pgdown": {Code: tea.KeyPgDown}, "up": {Code: tea.KeyUp}, "down": {Code: tea.KeyDown},
		"esc": {Code: tea.KeyEscape}, "space": {Code: tea.KeySpace, Text: " "}, "ctrl+c": {Code: 'c', Mod: tea.ModCtrl},
	}
	for _, key := range keys {
		msg, ok := codes[key]
		if !ok {
			msg = tea.KeyPressMsg{Code: rune(key[0]), Text: key}
		}
		_, cmd := s.Update(msg)
		if cmd == nil {
			continue
		}
		answer := cmd()
		if _, ok := answer.(tea.QuitMsg); ok {
			return true
		}
		s.Update(answer)
	}
	return false
}

func TestE9SteppingGoesForwardsAndBackwards(t *testing.T) {
	tests := []struct {
		keys []string
		want proto.Seq
		note string
	}{
		{nil, 11, ""},
		{[]string{"right"}, 12, ""},
		{[]string{"right", "n", "space", "l"}, 15, ""},
		{[]string{"right", "right", "left"}, 12, ""},
		{[]string{"left"}, 11, "where the span begins"},
		{[]string{"end"}, 20, ""},
		{[]string{"G", "right"}, 20, "where the span ends"},
		{[]string{"G", "home"}, 11, ""},
		{[]string{"pgdown", "pgup"}, 11, ""},
		{[]string{"right", "pgdown"}, 20, ""},
		{[]string{"b"}, 13, "it is so is true"},
		{[]string{"b", "b"}, 17, "it is so is true"},
		{[]string{"b", "b", "b"}, 17, "it does not become true there"},
		{[]string{"end", "B"}, 17, "it is so is true"},
		{[]string{"end", "B", "B", "B"}, 13, "it does not become true there"},
		{[]string{"b", "p", "p"}, 11, ""},
		{[]string{"x", "down", "up"}, 11, ""},
	}
	for _, test := range tests {
		t.Run(strings.Join(test.keys, " "), func(t *testing.T) {
			s := fakeSpan()
			if press(s, test.keys...) {
				t.Fatal("it ended")
			}
			if s.now.Seq != test.want || !strings.Contains(s.note, test.note) || test.note == "" && s.note != "" {
				t.Errorf("at %s (%q), want %s (%q)", s.now.Seq, s.note, test.want, test.note)
			}
		})
	}
	for _, key := range []string{"q", "esc", "ctrl+c"} {
		if !press(fakeSpan(), key) {
			t.Errorf("%s does not end it", key)
		}
	}
}

func TestE9SteppingShowsTheTransactionAndWhatIsAround(t *testing.T) {
	s := fakeSpan()
	press(s, "right", "right")
	view := s.View()
	if !view.AltScreen {
		t.Error("it leaves traces on the screen")
	}
	got := uncoloured(view.Content)
	for _, want := range []string{
		" segno replay  transaction 13 of 11 to 20 ",
		"\n  DeploymentScaled  deployments/default/web-13 (Requested)\n",
		"\n  ~ deployments/default/web-13 .spec.replicas 1 → 13\n",
		"\n  (it goes back to before this span)\n",
		"\n  11  2026-",
		"\n  └─ 12  2026-",
		"\n     └─ 13  2026-",
		"\n        └─ 14  2026-",
		"[segno number 14]  +1s\n",
		"\n  abc\n  the same as was recorded\n",
		"b B next, last break",
		"q quit",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("there is no %q in\n%s", want, got)
		}
	}
}

// TestE9SteppingObeysNothingOfTheLog: what a terminal would obey is shown as its
// number, wherever it comes from.
func TestE9SteppingObeysNothingOfTheLog(t *testing.T) {
	const hostile = "p\u202eq\u009br"
	s := fakeSpan()
	honest := s.frame
	s.frame = func(seq proto.Seq) (replay.Frame, error) {
		f, err := honest(seq)
		f.Via = hostile
		f.Objects[0].Changes = append(f.Objects[0].Changes, history.Change{Path: "metadata.annotations." + hostile, New: []byte(`"` + hostile + `"`)})
		return f, err
	}
	s.show(s.first)
	got := uncoloured(s.View().Content)
	if want := `p\u202eq\u009br`; strings.ContainsAny(got, "\u202e\u009b") || strings.Count(got, want) < 3 {
		t.Errorf("it shows\n%q", got)
	}
}

// TestE9SteppingFitsTheWindow checks small windows, and scrolling in them.
func TestE9SteppingFitsTheWindow(t *testing.T) {
	s := fakeSpan()
	press(s, "end")
	for _, size := range []tea.WindowSizeMsg{{Width: 80, Height: 12}, {Width: 40, Height: 6}, {Width: 1, Height: 1}, {Width: 200, Height: 60}} {
		s.Update(size)
		lines := strings.Split(s.text(), "\n")
		if len(lines) > max(size.Height, 4) {
			t.Errorf("%d lines in a window of %d", len(lines), size.Height)
		}
	}
	s.Update(tea.WindowSizeMsg{Width: 80, Height: 10})
	top := s.text()
	press(s, "down", "down")
	if s.text() == top {
		t.Error("it did not scroll")
	}
	for range 200 {
		press(s, "down")
	}
	if !strings.Contains(s.text(), "the same as was recorded") {
		t.Errorf("the end is not to be seen:\n%s", uncoloured(s.text()))
	}
	for range 200 {
		press(s, "up")
	}
	if s.text() != top {
		t.Error("it did not scroll back")
	}
}

func TestE9SteppingTellsWhatIsWrong(t *testing.T) {
	s := fakeSpan()
	s.search = nil
	press(s, "b")
	if !strings.Contains(s.note, "--break") {
		t.Errorf("without a break: %q", s.note)
	}
	s = fakeSpan()
	good := s.frame
	s.frame = func(seq proto.Seq) (replay.Frame, error) {
		if seq == 12 {
			f, _ := good(seq)
			return f, errors.New("it is spoilt")
		}
		return good(seq)
	}
	press(s, "right")
	if !strings.Contains(s.text(), "it is spoilt") {
		t.Error("an error is not shown")
	}
	press(s, "right")
	if strings.Contains(s.text(), "it is spoilt") || s.now.Seq != 13 {
		t.Errorf("it does not go on behind an error: at %s", s.now.Seq)
	}
	s.search = func(proto.Seq, bool) (proto.Seq, error) { return 0, errors.New("no search") }
	press(s, "b")
	if !strings.Contains(s.text(), "no search") {
		t.Error("a search's error is not shown")
	}
}

// TestE9SteppingWaitsForItsSearch checks that keys do nothing while one is under
// way, but for those that end it.
func TestE9SteppingWaitsForItsSearch(t *testing.T) {
	s := fakeSpan()
	_, search := s.Update(tea.KeyPressMsg{Code: 'b', Text: "b"})
	if search == nil || !strings.Contains(s.text(), "looking for where it is so becomes true") {
		t.Fatal("it does not say that it searches")
	}
	press(s, "right")
	if s.now.Seq != 11 {
		t.Errorf("at %s while it searches", s.now.Seq)
	}
	if !press(s, "q") {
		t.Error("a search cannot be left")
	}
	s.Update(search())
	if s.now.Seq != 13 {
		t.Errorf("at %s after the search", s.now.Seq)
	}
}

// TestE9ADifferingStateIsSeen shows a state that is not what was recorded.
func TestE9ADifferingStateIsSeen(t *testing.T) {
	f := replay.Frame{State: replay.State{Folded: "abc", Recorded: "def"}}
	if text := frameText(f); !strings.Contains(text, "recorded def: DIFFERENT") {
		t.Errorf("got %s", text)
	}
	var out strings.Builder
	writeVerdict(&out, replay.Verdict{From: 1, To: 9, Transactions: 9, State: "abc", Recorded: "def", Compared: true, Differs: 4}, time.Second, "")
	if !strings.Contains(out.String(), "State hash abc, recorded def: they differ from transaction 4 on.") {
		t.Errorf("got %s", out.String())
	}
}
