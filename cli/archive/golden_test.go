package archive

import (
	"bytes"
	"errors"
	"fmt"
	"iter"
	"os"
	"runtime"
	"slices"
	"testing"
	"time"

	"segno/proto"
)

// TestE4AFileOfAnotherMachineGivesItsStates folds testdata/version-1.segno, which a
// cluster wrote when the format was new: on any machine, with any number of
// processors and under the race detector, every state is the one recorded then. The
// file is never made anew: a version that cannot read it cannot read what people have.
func TestE4AFileOfAnotherMachineGivesItsStates(t *testing.T) {
	data, err := os.ReadFile("testdata/version-1.segno")
	if err != nil {
		t.Fatal(err)
	}
	const transactions, state = 79, "404b34fffc41b5253f6e5fb932eaf3ddccabfc24da46a43ec5926cf3d00d8882"
	for _, processors := range []int{1, 2, 3, 8} {
		t.Run(fmt.Sprintf("GOMAXPROCS=%d", processors), func(t *testing.T) {
			defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(processors))
			a, err := Open(t.Context(), bytes.NewReader(data), OpenConfig{Table: table})
			if err != nil {
				t.Fatal(err)
			}
			defer a.Close()
			fold := a.Logs[proto.StreamEvents]
			if a.Differs != 0 {
				t.Errorf("the state after transaction %s differs from the recorded one", a.Differs)
			}
			if got := fold.Position().Seq; got != transactions || fold.StateHash().String() != state {
				t.Errorf("it ends at %s with state %s", got, fold.StateHash())
			}
			for rec, err := range fold.Records(t.Context(), transactions) {
				if err != nil {
					t.Fatal(err)
				}
				if _, err := table.Decode(rec); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// TestE14ABackupOfBeforeIsRead reads testdata/version-2.segno, the first form that
// has AUDIT; what follows the logs is not taken for it in a file of version 1.
func TestE14ABackupOfBeforeIsRead(t *testing.T) {
	data, err := os.ReadFile("testdata/version-2.segno")
	if err != nil {
		t.Fatal(err)
	}
	held, err := Check(t.Context(), bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	taken := 0
	a, err := Open(t.Context(), bytes.NewReader(data), OpenConfig{Table: table, Audit: func(bounds AuditBounds, messages iter.Seq2[[]byte, error]) error {
		if bounds.Keep != 90*24*time.Hour || bounds.MaxBytes != 4<<30 {
			t.Errorf("it was kept for %+v", bounds)
		}
		for _, err := range messages {
			if err != nil {
				return err
			}
			taken++
		}
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	if held.Audit != a.Audit || a.Audit.Problem != "" || a.Audit.First != 1 || int(a.Audit.Last) != taken || taken == 0 || a.Differs != 0 {
		t.Errorf("it holds %+v, and %+v once it is folded; %d messages were taken", held.Audit, a.Audit, taken)
	}
	frames := framesOf(t, data)
	if _, err := Check(t.Context(), bytes.NewReader(packed(t, frames))); !errors.Is(err, ErrDamaged) {
		t.Errorf("AUDIT in a file of version 1: %v", err)
	}
}

// TestE14AMessageOfTheAuditThatIsMissingIsNoticed, also where the checksum holds.
func TestE14AMessageOfTheAuditThatIsMissingIsNoticed(t *testing.T) {
	data, err := os.ReadFile("testdata/version-2.segno")
	if err != nil {
		t.Fatal(err)
	}
	frames := framesOf(t, data)
	var audit []int
	for i, f := range frames {
		if f.what == frameAudit {
			audit = append(audit, i)
		}
	}
	if len(audit) < 3 {
		t.Fatalf("%d messages", len(audit))
	}
	for name, forged := range map[string][]frame{
		"missing":  slices.Concat(frames[:audit[1]], frames[audit[2]:]),
		"twice":    slices.Concat(frames[:audit[1]], frames[audit[0]:]),
		"no audit": slices.Concat(frames[:audit[1]], []frame{{frameAudit, []byte("x")}}),
		"a log":    slices.Concat(frames, []frame{frames[audit[0]-1]}),
	} {
		var out bytes.Buffer
		w, err := newFrames(&out, markAudited)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range forged {
			if err := w.write(f.what, f.body); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.close(); err != nil {
			t.Fatal(err)
		}
		if _, err := Check(t.Context(), &out); !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
