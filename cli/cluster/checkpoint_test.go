package cluster

import (
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"segno/cli/checkpoint"
	"segno/proto"
)

// TestE13CheckpointsAreKeptEveryHourInWhichSomethingHappened and are what the
// fold says.
func TestE13CheckpointsAreKeptEveryHourInWhichSomethingHappened(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, _ := newWorld(t, Config{})
		signs := w.cluster.signatory
		signs.kept = checkpoint.In(filepath.Join(t.TempDir(), "kept"))
		w.create(web(1, oldImage))
		w.within(time.Minute, "a pod", func() bool { return w.isSettled(1, oldImage) })
		time.Sleep(3*time.Hour + time.Minute) // nothing happens in the last two
		quiet := len(w.kept(t))
		w.setImage(newImage)
		w.within(time.Minute, "a new pod", func() bool { return w.isSettled(1, newImage) })
		time.Sleep(time.Hour)
		if now := len(w.kept(t)); quiet != 1 || now != 2 {
			t.Errorf("%d checkpoints after one busy hour and two quiet ones, %d after another busy one", quiet, now)
		}
	})
}

// kept are the checkpoints so far, proved.
func (w *world) kept(t *testing.T) (out []checkpoint.Checkpoint) {
	t.Helper()
	synctest.Wait()
	notes, err := w.cluster.signatory.kept.All()
	if err != nil {
		t.Fatal(err)
	}
	for _, note := range notes {
		is, err := checkpoint.Open(note, w.cluster.signatory.key.Public)
		if err != nil {
			t.Fatal(err)
		}
		fold := w.cluster.ledgers.events()
		state, err := fold.StateHashAt(is.Seq)
		if err != nil {
			t.Fatal(err)
		}
		encoded, err := fold.Encoded(is.Seq)
		if err != nil || proto.HashOf(encoded) != is.Hash || state != is.State {
			t.Errorf("checkpoint %+v is not what the fold says, %v", is, err)
		}
		out = append(out, is)
	}
	return out
}
