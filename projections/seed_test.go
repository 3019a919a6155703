package projections

import (
	"math/rand/v2"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"segno/events"
	"segno/proto"
)

// seeded is a projection that begins with the state that another one had at cut.
func seeded(t *testing.T, whole *Projection, log []proto.Entry, cut proto.Seq, cfg Config) *Projection {
	t.Helper()
	p := open(t, cfg)
	var at proto.Position
	if cut > 0 {
		e := log[cut-1]
		at = proto.Position{Seq: cut, Hash: e.Hash, Term: e.Envelope.Term, At: e.Envelope.At}
	}
	if err := p.Seed(at, whole.Records(t.Context(), cut)); err != nil {
		t.Fatalf("seed as of %s: %v", cut, err)
	}
	want, err := whole.StateHashAt(cut)
	if err != nil {
		t.Fatal(err)
	}
	if p.StateHash() != want {
		t.Fatalf("seeded as of %s the state hash is %s, it was %s", cut, p.StateHash().Short(), want.Short())
	}
	return p
}

// TestE9ASnapshotGoesOnAsTheLogDid cuts random histories at every sequence: what
// is folded over a snapshot reads as the whole fold does from there on.
func TestE9ASnapshotGoesOnAsTheLogDid(t *testing.T) {
	for seed := range uint64(4) {
		rng := rand.New(rand.NewPCG(seed, 9))
		log := randomLog(rng, 40)
		whole, w := open(t, Config{}), foldNaively(log)
		commit(t, whole, log...)
		for cut := proto.Seq(0); cut <= proto.Seq(len(log)); cut++ {
			p := seeded(t, whole, log, cut, Config{})
			commit(t, p, log[cut:]...)
			for seq := cut; seq <= proto.Seq(len(log)); seq++ {
				checkWorld(t, p, w, seq, rng, 1)
			}
			if p.StateHash() != whole.StateHash() {
				t.Fatalf("seed %d: cut at %s the log ends with another state", seed, cut)
			}
			report, err := p.Verify(t.Context(), nil)
			if err != nil || report.Problem != nil {
				t.Fatalf("seed %d: cut at %s: %v, %v", seed, cut, report.Problem, err)
			}
			checkStart(t, p, whole, cut)
			if _, err := p.At(cut - 1); cut > 0 && err == nil {
				t.Fatalf("cut at %s, what came before can be read", cut)
			}
		}
	}
}

// checkStart asks for what the log begins behind.
func checkStart(t *testing.T, p, whole *Projection, cut proto.Seq) {
	t.Helper()
	if cut == 0 {
		return
	}
	want, wantState, err := whole.PositionAt(cut)
	if err != nil {
		t.Fatal(err)
	}
	got, gotState, err := p.PositionAt(cut)
	if err != nil || got != want || gotState != wantState {
		t.Fatalf("it begins behind %+v with %s, want %+v with %s: %v", got, gotState.Short(), want, wantState.Short(), err)
	}
}

func TestE14ASnapshotLasts(t *testing.T) {
	log := randomLog(rand.New(rand.NewPCG(3, 9)), 60)
	whole := open(t, Config{})
	commit(t, whole, log...)
	cfg := Config{Dir: "seeded", FS: vfs.NewMem(), Sync: true}
	p := seeded(t, whole, log, 30, cfg)
	commit(t, p, log[30:45]...)
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	p = open(t, cfg)
	commit(t, p, log[45:]...)
	if p.StateHash() != whole.StateHash() || p.Position() != whole.Position() || p.First() != 31 {
		t.Errorf("opened again it is at %s of %s with state %s", p.Position().Seq, p.First(), p.StateHash().Short())
	}
}

func TestSeedRefusesWhatIsNoSnapshot(t *testing.T) {
	log := randomLog(rand.New(rand.NewPCG(4, 9)), 20)
	whole := open(t, Config{})
	commit(t, whole, log...)
	at := proto.Position{Seq: 10, Hash: log[9].Hash}
	if err := whole.Seed(at, whole.Records(t.Context(), 10)); err == nil {
		t.Error("a projection with a log was seeded")
	}
	if err := open(t, Config{}).Seed(at, whole.Records(t.Context(), 20)); err == nil {
		t.Error("objects of a later moment were taken")
	}
	if err := open(t, Config{}).Seed(at, whole.Records(t.Context(), 21)); err == nil {
		t.Error("an error of the snapshot was ignored")
	}
	gone := func(yield func(*events.Record, error) bool) {
		yield(&events.Record{Key: pods.Key("a", "o"), Seq: 3, Deleted: true}, nil)
	}
	if err := open(t, Config{}).Seed(at, gone); err == nil {
		t.Error("a tombstone was taken")
	}
}
