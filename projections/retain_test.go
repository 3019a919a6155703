package projections

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"testing"
	"time"

	"segno/events"
	"segno/proto"
)

// rebuilt is a fold of the entries alone, as of a log whose beginning is gone.
func rebuilt(t *testing.T, log []proto.Entry) *Projection {
	t.Helper()
	p := open(t, Config{Retained: true})
	commit(t, p, log...)
	return p
}

// noteLog is a log of notes only: objects of one section, as NOTES has them.
func noteLog(rng *rand.Rand, n int) []proto.Entry {
	var s script
	uids := map[string]int{}
	for len(s.log) < n {
		if ev := randomEvent(rng, uids); ev.Key.Resource == notes {
			s.add(ev)
		}
	}
	return s.log
}

// expired is the naive fold of a log in which objects untouched since the cut are
// forgotten.
func (w world) expired(seq, cut proto.Seq) world {
	out := append(world{}, w...)
	out[seq] = map[proto.ObjectKey]thing{}
	last := w[len(w)-1]
	for key, x := range w[seq] {
		if final, ok := last[key]; x.seq >= cut || !ok || final.seq >= cut {
			out[seq][key] = x
		}
	}
	return out
}

func TestRetentionForgetsWhatIsOlder(t *testing.T) {
	for seed := range uint64(4) {
		rng := rand.New(rand.NewPCG(seed, 13))
		log := noteLog(rng, 700)
		w := foldNaively(log)
		p := open(t, Config{Retained: true, RecordBytes: pick(rng, 1, 1<<20)})
		commitInGroups(t, p, rng, log, nil)
		for _, cut := range []proto.Seq{2, 300, 650} {
			if err := p.DropBefore(cut); err != nil {
				t.Fatal(err)
			}
			if p.First() != cut {
				t.Fatalf("the log starts at %s, want %s", p.First(), cut)
			}
			for seq := cut - 1; int(seq) < len(w); seq += 1 + proto.Seq(rng.IntN(20)) {
				checkWorld(t, p, w.expired(seq, cut), seq, rng, 3)
			}
			again := rebuilt(t, log[cut-1:])
			if p.StateHash() != again.StateHash() {
				t.Errorf("cut at %s: state hash %s, of the rest alone %s", cut, p.StateHash().Short(), again.StateHash().Short())
			}
			if report, err := p.Verify(t.Context(), nil); err != nil || report.Problem != nil || report.Events != len(log)-int(cut)+1 {
				t.Errorf("cut at %s: verify %v, %d events, %v", cut, report.Problem, report.Events, err)
			}
		}
	}
}

func TestRetentionAnswersTooOld(t *testing.T) {
	p := open(t, Config{Retained: true})
	log := noteLog(rand.New(rand.NewPCG(1, 1)), 200)
	commit(t, p, log...)
	early, err := p.At(50)
	if err != nil {
		t.Fatal(err)
	}
	sub, err := p.Subscribe(50, Filter{})
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Close()
	if err := p.DropOlder(log[99].Envelope.At); err != nil {
		t.Fatal(err)
	}
	if p.First() != 100 {
		t.Errorf("dropping what is older than transaction 100 leaves it to start at %s", p.First())
	}
	_, atErr := p.At(98)
	_, getErr := early.Get(notes.Key("a", "o1"))
	_, listErr := early.List(events.Query{Resource: notes})
	_, subscribeErr := p.Subscribe(98, Filter{})
	_, nextErr := sub.Next(t.Context())
	_, envelopeErr := p.Envelope(99)
	for what, err := range map[string]error{
		"At": atErr, "Get": getErr, "List": listErr, "Subscribe": subscribeErr, "Next": nextErr, "Envelope": envelopeErr,
	} {
		if !errors.Is(err, ErrTooOld) {
			t.Errorf("%s: %v", what, err)
		}
	}
	for at, want := range map[time.Time]proto.Seq{
		log[98].Envelope.At:                  99,
		log[99].Envelope.At:                  100,
		log[120].Envelope.At.Add(-time.Hour): 99,
		log[120].Envelope.At:                 121,
	} {
		if seq, err := p.SeqAt(at); err != nil || seq != want {
			t.Errorf("SeqAt(%s) is %s, %v, want %s", at, seq, err, want)
		}
	}
	if err := p.DropBefore(10_000); err != nil || p.First() != 200 {
		t.Errorf("dropping everything leaves %s, %v", p.First(), err)
	}
}

func TestAWholeLogDropsNothing(t *testing.T) {
	p := open(t, Config{})
	commit(t, p, randomLog(rand.New(rand.NewPCG(1, 1)), 20)...)
	if err := p.DropBefore(10); err == nil {
		t.Error("a log that is kept whole dropped its beginning")
	}
	if _, err := Open(Config{Table: table, Window: 10}); err == nil {
		t.Error("a window opened on a log that is kept whole")
	}
}

// A window keeps what is current, however old, and only the newest history.
func TestWindowKeepsCurrentObjectsAndNewestHistory(t *testing.T) {
	for seed := range uint64(4) {
		rng := rand.New(rand.NewPCG(seed, 17))
		log := randomLog(rng, 500)
		w := foldNaively(log)
		p := open(t, Config{Retained: true, Window: 40, RecordBytes: pick(rng, 1, 1<<20)})
		commitInGroups(t, p, rng, log, func() {
			now := p.Position().Seq
			if kept := now - p.First() + 1; kept > 51+1 {
				t.Fatalf("%s transactions are kept", kept)
			}
			checkWorld(t, p, w, now, rng, 2)
			checkWorld(t, p, w, p.First()-1+proto.Seq(rng.IntN(int(now-p.First())+2)), rng, 2)
		})
		if report, err := p.Verify(t.Context(), nil); err != nil || report.Problem != nil {
			t.Errorf("verify: %v, %v", report.Problem, err)
		}
		whole := open(t, Config{})
		commit(t, whole, log...)
		if p.StateHash() != whole.StateHash() {
			t.Errorf("state hash %s, without a window %s", p.StateHash().Short(), whole.StateHash().Short())
		}
		rows := 0
		it, err := p.db.NewIter(nil)
		if err != nil {
			t.Fatal(err)
		}
		for ok := it.First(); ok; ok = it.Next() {
			rows++
		}
		if err := it.Close(); err != nil {
			t.Fatal(err)
		}
		if most := 800; rows > most {
			t.Errorf("%d rows are left of %d transactions, want at most %d", rows, len(log), most)
		}
	}
}

// What a window drops leaves the disk.
func TestWindowTakesBoundedRoom(t *testing.T) {
	dir := t.TempDir()
	p := open(t, Config{Dir: dir, Retained: true, Window: 500, MemTableSize: 256 << 10, RecordBytes: 1 << 20})
	var s script
	written := 0
	for i := range 20_000 {
		e := s.add(specified(configMap("a", fmt.Sprintf("o%d", i%50), "u", fmt.Sprintf("%x", rand.Perm(60)))))
		written += len(e.Encoded)
		if i%100 == 99 {
			commit(t, p, s.log...)
			s.log = nil
		}
	}
	if err := p.Close(); err != nil { // nothing is removed any more
		t.Fatal(err)
	}
	took := int64(0)
	names, err := os.ReadDir(dir)
	for _, name := range names {
		info, failed := name.Info()
		if err = errors.Join(err, failed); failed == nil {
			took += info.Size()
		}
	}
	t.Logf("%d KiB were written, the folder takes %d KiB", written>>10, took>>10)
	if err != nil || took > int64(written)/2 {
		t.Errorf("%d KiB were written, the folder takes %d KiB, %v", written>>10, took>>10, err)
	}
}

func TestARestartKeepsTheStartOfTheLog(t *testing.T) {
	dir := t.TempDir()
	log := noteLog(rand.New(rand.NewPCG(1, 1)), 100)
	p, err := Open(Config{Dir: dir, Table: table, Retained: true})
	if err != nil {
		t.Fatal(err)
	}
	commit(t, p, log[9:50]...)
	if err := p.DropBefore(30); err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprint(p.First(), p.Position(), p.StateHash())
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	p = open(t, Config{Dir: dir, Retained: true})
	if got := fmt.Sprint(p.First(), p.Position(), p.StateHash()); got != want {
		t.Errorf("after a restart %s, want %s", got, want)
	}
	commit(t, p, log...)
}

// What Records yields of the oldest moment while that goes is all of it, or an error.
func TestE14RecordsAreWholeWhileTheBeginningGoes(t *testing.T) {
	const seed, last = 19, 1000
	rng := rand.New(rand.NewPCG(seed, seed))
	log := noteLog(rng, last)
	w := foldNaively(log)
	p := open(t, Config{Retained: true})
	commitInGroups(t, p, rng, log, nil)
	var drops sync.WaitGroup
	drops.Go(func() {
		for seq := proto.Seq(2); seq < last; seq++ {
			if err := p.DropBefore(seq); err != nil {
				t.Error(err)
			}
		}
	})
	defer drops.Wait()
	for p.First() < last-1 && !t.Failed() {
		seq, n := p.First()-1, 0
		var failed error
		for _, err := range p.Records(t.Context(), seq) {
			if n++; err != nil {
				failed = err
			}
		}
		switch want := len(w.expired(seq, seq+1)[seq]); {
		case failed != nil && !errors.Is(failed, ErrTooOld):
			t.Error(failed)
		case failed == nil && n != want:
			t.Errorf("%d records as of %s without an error, want %d", n, seq, want)
		}
	}
}
