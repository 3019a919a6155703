package projections

import (
	"errors"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	corev1 "k8s.io/api/core/v1"

	"segno/events"
	"segno/proto"
)

func TestReadsNowAndThen(t *testing.T) {
	p := open(t, Config{})
	var s script
	web := pod("default", "web", "u1", "n1", corev1.PodPending, "app", "web")
	running := pod("default", "web", "u1", "n1", corev1.PodRunning, "app", "web")
	s.add(marked())
	s.add(specified(web), observed(web))
	s.add(observed(running))
	s.add(ended(web))
	commit(t, p, s.log...)

	for seq, want := range []corev1.PodPhase{"", "", "Pending", "Running", ""} {
		v, err := p.At(proto.Seq(seq))
		if err != nil {
			t.Fatal(err)
		}
		got, ok, err := events.GetAs[*corev1.Pod](v, pods.Key("default", "web"))
		if err != nil {
			t.Fatal(err)
		}
		if ok != (want != "") || ok && got.Status.Phase != want {
			t.Errorf("as of %d: %v, want phase %q", seq, got, want)
		}
	}
}

// A transaction of the largest size has rows that fit no memtable of this size.
func TestTheLargestTransaction(t *testing.T) {
	dir := t.TempDir()
	var s script
	value := strings.Repeat("x", proto.MaxObject-1000)
	s.add(specified(configMap("a", "small", "u0", "1")))
	s.add(specified(configMap("a", "m1", "u1", value)), specified(configMap("a", "m2", "u2", value)))
	s.add(specified(configMap("a", "m1", "u1", value+"y")))
	s.add(ended(configMap("a", "small", "u0", "1")))
	p, err := Open(Config{Dir: dir, Table: table, MemTableSize: 64 << 10, Sync: true})
	if err != nil {
		t.Fatal(err)
	}
	commit(t, p, s.log...)
	hash := p.StateHash()
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	p = open(t, Config{Dir: dir})
	if p.StateHash() != hash || p.Position().Seq != 4 {
		t.Errorf("after a restart: position %s, state hash %s, want 4 and %s", p.Position().Seq, p.StateHash().Short(), hash.Short())
	}
	v, err := p.At(2)
	if err != nil {
		t.Fatal(err)
	}
	got, _, err := events.GetAs[*corev1.ConfigMap](v, configMaps.Key("a", "m1"))
	if err != nil || got.Data["v"] != value {
		t.Errorf("the large object as of 2: %d bytes, %v", len(got.Data["v"]), err)
	}
}

func TestNothingWorksOnceClosed(t *testing.T) {
	p, err := Open(Config{Table: table})
	if err != nil {
		t.Fatal(err)
	}
	var s script
	commit(t, p, s.add(specified(configMap("a", "m", "u", "1"))))
	v := p.View()
	if err := errors.Join(p.Close(), p.Close()); err != nil {
		t.Fatal(err)
	}
	_, getErr := v.Get(configMaps.Key("a", "m"))
	_, listErr := v.List(events.Query{Resource: configMaps})
	_, encodedErr := p.Encoded(1)
	_, historyErr := p.History(configMaps.Key("a", "m"), Newest, 0)
	_, subscribeErr := p.Subscribe(0, Filter{})
	_, verifyErr := p.Verify(t.Context(), nil)
	for what, err := range map[string]error{
		"Get": getErr, "List": listErr, "Encoded": encodedErr, "History": historyErr,
		"Subscribe": subscribeErr, "Verify": verifyErr, "Commit": p.Commit([]proto.Entry{s.add(marked())}, nil),
	} {
		if !errors.Is(err, ErrClosed) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, err := Open(Config{}); err == nil {
		t.Error("opened without a table of kinds")
	}
}

// What the log refuses leaves no trace, and what it takes in its place is folded.
func TestNothingIsWrittenThatTheLogRefuses(t *testing.T) {
	p := open(t, Config{})
	var s script
	commit(t, p, s.add(specified(configMap("a", "m", "u", "1"))))
	hash, other := p.StateHash(), s
	no := errors.New("no")
	if err := p.Commit([]proto.Entry{s.add(specified(configMap("a", "n", "v", "2")))}, func() error { return no }); !errors.Is(err, no) {
		t.Errorf("err = %v", err)
	}
	if obj, err := p.View().Get(configMaps.Key("a", "n")); obj != nil || err != nil || p.Position().Seq != 1 || p.StateHash() != hash {
		t.Errorf("there is %v, %v at %s", obj, err, p.Position().Seq)
	}
	commit(t, p, other.add(specified(configMap("a", "m", "u", "3"))))
	if report, err := p.Verify(t.Context(), nil); err != nil || report.Problem != nil {
		t.Errorf("verify: %v, %v", report.Problem, err)
	}
}

// What a failed write left on disk is not known: going on could fold it twice.
func TestNothingIsCommittedAfterAFailedWrite(t *testing.T) {
	p := open(t, Config{Retained: true})
	var s script
	commit(t, p, s.add(specified(configMap("a", "m", "u", "1"))))
	fs, writable := vfs.NewMem(), p.db
	empty, err := pebble.Open("", &pebble.Options{FS: fs, Comparer: comparer, Logger: logger{&p.cfg}})
	if err == nil {
		err = empty.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	readOnly, err := pebble.Open("", &pebble.Options{FS: fs, Comparer: comparer, Logger: logger{&p.cfg}, ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	p.db = readOnly
	second := s.add(specified(configMap("a", "m", "u", "2")))
	if err := p.Commit([]proto.Entry{second}, nil); !errors.Is(err, pebble.ErrReadOnly) || p.Position().Seq != 1 {
		t.Errorf("a write that fails: %v, position %s", err, p.Position().Seq)
	}
	p.db = writable
	if err := readOnly.Close(); err != nil {
		t.Fatal(err)
	}
	if err := p.Commit([]proto.Entry{second}, nil); !errors.Is(err, pebble.ErrReadOnly) || p.Position().Seq != 1 {
		t.Errorf("after a write that failed: %v, position %s", err, p.Position().Seq)
	}
	if err := p.DropBefore(2); !errors.Is(err, pebble.ErrReadOnly) {
		t.Errorf("dropping after a write that failed: %v", err)
	}
}

// An object that does not decode is never kept back: who reads it is told which
// it is and what to do, and everything else goes on.
func TestAnObjectThatDoesNotDecodeIsNamed(t *testing.T) {
	p := open(t, Config{})
	var s script
	s.add(specified(configMap("a", "good", "u1", "x")))
	bad := specified(configMap("a", "bad", "u2", "x"))
	bad.Body = []byte("\xff\xff\xff")
	s.add(bad)
	s.add(specified(pod("a", "p", "u3", "n", corev1.PodRunning)))
	commit(t, p, s.log...)
	_, listErr := p.View().List(events.Query{Resource: configMaps})
	_, getErr := p.View().Get(configMaps.Key("a", "bad"))
	for _, err := range []error{listErr, getErr} {
		if err == nil || !strings.Contains(err.Error(), "configmaps/a/bad at 2") || !strings.Contains(err.Error(), "segno verify") {
			t.Errorf("the error is %v", err)
		}
	}
	if good, err := p.View().Get(configMaps.Key("a", "good")); err != nil || good == nil {
		t.Errorf("another object: %v, %v", good, err)
	}
	if page, err := p.View().List(events.Query{Resource: pods}); err != nil || len(page.Items) != 1 {
		t.Errorf("another kind: %d objects, %v", len(page.Items), err)
	}
}
