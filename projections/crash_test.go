package projections

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"segno/proto"
)

// TestE3ACrashLosesNothingAcknowledged cuts the power at random moments of a
// fold, with whatever the disk then happens to keep of what was not synced.
func TestE3ACrashLosesNothingAcknowledged(t *testing.T) {
	for seed := range uint64(10) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			rng := rand.New(rand.NewPCG(seed, 11))
			log := randomLog(rng, 300)
			fs := vfs.NewCrashableMem()
			// A small memtable, so that flushes and compactions run too.
			p := open(t, Config{Dir: "state", FS: fs, Sync: true, MemTableSize: 64 << 10})
			type crash struct {
				fs    *vfs.MemFS
				acked proto.Seq
			}
			var crashes []crash
			done := make(chan struct{})
			snap := make(chan crash)
			go func() { // crashes in the middle of commits
				defer close(snap)
				for i := range 12 {
					acked := p.Position().Seq
					clone := fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 10 * (i % 11), RNG: rand.New(rand.NewPCG(seed, uint64(i)))})
					select {
					case snap <- crash{clone, acked}:
					case <-done:
						return
					}
				}
			}()
			commitInGroups(t, p, rng, log, func() {
				select {
				case c := <-snap:
					if c.fs != nil {
						crashes = append(crashes, c)
					}
				default:
				}
			})
			close(done)
			if len(crashes) == 0 {
				t.Fatal("nothing crashed")
			}
			for _, c := range crashes {
				checkCrash(t, p, c.fs, c.acked, log)
			}
		})
	}
}

// checkCrash opens what a crash left: everything that was acknowledged must be
// there, whole, and the rest of the log must lead to the same end.
func checkCrash(t *testing.T, whole *Projection, fs vfs.FS, acked proto.Seq, log []proto.Entry) {
	t.Helper()
	p := open(t, Config{Dir: "state", FS: fs, Sync: true})
	at := p.Position()
	if at.Seq < acked {
		t.Fatalf("%s was acknowledged, after the crash the position is %s", acked, at.Seq)
	}
	if at.Seq > 0 && at.Hash != log[at.Seq-1].Hash {
		t.Errorf("position %s has hash %s, the log %s", at.Seq, at.Hash.Short(), log[at.Seq-1].Hash.Short())
	}
	if want, err := whole.StateHashAt(at.Seq); err != nil || p.StateHash() != want {
		t.Errorf("state hash at %s after the crash is %s, want %s, %v", at.Seq, p.StateHash().Short(), want.Short(), err)
	}
	if report, err := p.Verify(t.Context(), nil); err != nil || report.Problem != nil {
		t.Errorf("verify at %s after the crash: %v, %v", at.Seq, report.Problem, err)
	}
	commit(t, p, log...)
	if p.StateHash() != whole.StateHash() {
		t.Errorf("crashed at %s, the end has state hash %s, want %s", at.Seq, p.StateHash().Short(), whole.StateHash().Short())
	}
}
