package outbox_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"segno/agents/outbox"
	"segno/proto"
)

// reader writes down when which notes came, and with how many statuses.
type reader struct {
	mu    sync.Mutex
	begun time.Time
	lines []string
	down  bool
}

func (r *reader) send(_ context.Context, report proto.Report) (proto.Reply, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.down {
		return proto.Reply{}, errors.New("down")
	}
	parts := []string{time.Since(r.begun).Round(100 * time.Millisecond).String()}
	for _, n := range report.Notes {
		text := fmt.Sprintf("%s%s×%d", n.Reason, n.Message, n.Count)
		if n.Similar {
			text += " similar"
		}
		parts = append(parts, text)
	}
	if report.Dropped > 0 {
		parts = append(parts, fmt.Sprint("dropped ", report.Dropped))
	}
	if len(report.Items) > 0 {
		parts = append(parts, fmt.Sprint("items ", len(report.Items)))
	}
	r.lines = append(r.lines, strings.Join(parts, " "))
	return proto.Reply{Errors: make([]string, len(report.Items))}, nil
}

func (r *reader) set(down bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.down = down
}

func (r *reader) expect(t *testing.T, want ...string) {
	t.Helper()
	synctest.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	if got := strings.Join(r.lines, "\n"); got != strings.Join(want, "\n") {
		t.Errorf("got:\n%s\nwant:\n%s", got, strings.Join(want, "\n"))
	}
	r.lines = nil
}

// reading runs an outbox in a bubble until the test ends.
func reading(t *testing.T, test func(t *testing.T, o *outbox.Outbox, r *reader)) {
	synctest.Test(t, func(t *testing.T) {
		r := &reader{begun: time.Now()}
		o, err := outbox.New(outbox.Config{Send: r.send})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			_ = o.Run(ctx)
		}()
		test(t, o, r)
		cancel()
		<-done
	})
}

func note(reason, message string) proto.NodeNote {
	at := time.Now().UnixNano()
	return proto.NodeNote{UID: "a", Reason: reason, Message: message, Count: 1, First: at, Last: at}
}

func TestP11NotesWaitForOneAnother(t *testing.T) {
	reading(t, func(t *testing.T, o *outbox.Outbox, r *reader) {
		o.Note(note("Pulled", ""))
		time.Sleep(100 * time.Millisecond)
		o.Note(note("Created", ""))
		time.Sleep(time.Minute)
		o.Note(note("Killing", ""))
		put(t, o, "b", "1") // a status does not wait, and takes along what is new
		time.Sleep(time.Minute)
		r.expect(t, "300ms Pulled×1", "400ms Created×1", "1m0.1s Killing×1 items 1")
	})
}

func TestP11RepeatedNotesAreCounted(t *testing.T) {
	reading(t, func(t *testing.T, o *outbox.Outbox, r *reader) {
		for range 60 {
			o.Note(note("Unhealthy", ""))
			time.Sleep(time.Second)
		}
		time.Sleep(10 * time.Minute)
		r.expect(t, "300ms Unhealthy×1", "1.3s Unhealthy×1", "3.3s Unhealthy×2", "7.3s Unhealthy×4",
			"15.3s Unhealthy×8", "31.3s Unhealthy×16", "1m3.3s Unhealthy×28")
		time.Sleep(time.Hour)
		o.Note(note("Unhealthy", ""))
		time.Sleep(time.Second)
		r.expect(t, "1h11m0.3s Unhealthy×1") // as if it were new
	})
}

func TestP11MessagesThatDifferBecomeOne(t *testing.T) {
	reading(t, func(t *testing.T, o *outbox.Outbox, r *reader) {
		for i := range 15 {
			o.Note(note("Unhealthy", fmt.Sprint(i)))
		}
		time.Sleep(time.Second)
		r.expect(t, "300ms Unhealthy0×1 Unhealthy1×1 Unhealthy2×1 Unhealthy3×1 Unhealthy4×1 Unhealthy5×1 "+
			"Unhealthy6×1 Unhealthy7×1 Unhealthy8×1 Unhealthy9×1 Unhealthy14×5 similar")
	})
}

// TestP11NotesAreDroppedOldestFirst: a control plane that is away costs a node
// a bounded amount, and people are told what they miss.
func TestP11NotesAreDroppedOldestFirst(t *testing.T) {
	reading(t, func(t *testing.T, o *outbox.Outbox, r *reader) {
		r.set(true)
		o.Note(note("First", ""))
		o.Note(note("Repeated", ""))
		time.Sleep(time.Hour)
		for i := range 1023 {
			n := note("Started", "")
			n.UID = fmt.Sprint(i)
			o.Note(n)
		}
		o.Note(note("Repeated", "")) // was waiting: counted, not added
		time.Sleep(time.Hour)
		r.set(false)
		time.Sleep(time.Minute)
		r.mu.Lock()
		defer r.mu.Unlock()
		all := strings.Join(r.lines, " ")
		if strings.Contains(all, "First") || strings.Count(all, "dropped 1") != 1 || !strings.Contains(all, "Repeated×2") || strings.Count(all, "Started×1") != 1023 {
			t.Errorf("%d notes, first report: %.200s", strings.Count(all, "Started"), all)
		}
	})
}

// TestP11NotesGoBeforeTheEnd: of a pod whose object is gone nobody may speak.
func TestP11NotesGoBeforeTheEnd(t *testing.T) {
	reading(t, func(t *testing.T, o *outbox.Outbox, r *reader) {
		o.Note(note("Killing", ""))
		time.Sleep(time.Second)
		o.Note(note("Killing", "")) // held back: it was told a moment ago
		if err := o.Put(proto.ReportItem{UID: "a", Ended: true}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		r.expect(t, "300ms Killing×1", "1s Killing×1 items 1")
	})
}

func TestP11NotesThatWereNotTakenAreToldAgain(t *testing.T) {
	reading(t, func(t *testing.T, o *outbox.Outbox, r *reader) {
		r.set(true)
		o.Note(note("Created", ""))
		time.Sleep(30 * time.Second)
		o.Note(note("Created", ""))
		time.Sleep(30 * time.Second)
		r.expect(t)
		r.set(false)
		time.Sleep(10 * time.Second)
		r.mu.Lock()
		defer r.mu.Unlock()
		if len(r.lines) != 1 || !strings.HasSuffix(r.lines[0], "Created×2") {
			t.Errorf("%q", r.lines)
		}
	})
}

func TestP11ALongMessageIsCut(t *testing.T) {
	reading(t, func(t *testing.T, o *outbox.Outbox, r *reader) {
		o.Note(note("Failed", strings.Repeat("é", 2000)))
		time.Sleep(time.Second)
		r.mu.Lock()
		defer r.mu.Unlock()
		if len(r.lines) != 1 || !strings.Contains(r.lines[0], "é...×1") || len(r.lines[0]) > proto.LongestNoteText+40 {
			t.Errorf("%d bytes: %q", len(r.lines[0]), r.lines)
		}
	})
}
