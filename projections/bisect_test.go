package projections

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"segno/events"
	"segno/events/bisect"
	"segno/events/condition"
	"segno/proto"
)

// Get and List make a moment of the naive fold a condition.State.
type naiveState struct {
	w   world
	seq proto.Seq
}

func (n naiveState) Get(key proto.ObjectKey) (events.Object, error) {
	if t, ok := n.w[n.seq][key]; ok {
		return t.object(key), nil
	}
	return nil, nil
}

func (n naiveState) List(query events.Query) (events.Page, error) {
	return events.Page{Items: n.w.list(n.seq, query)}, nil
}

// wanted is what a look at every state tells: the truth after each transaction,
// and what becomes of it.
func wanted(t *testing.T, w world, c *condition.Condition, s bisect.Search) (truth []bool, already bool, ended, found proto.Seq) {
	t.Helper()
	for seq := s.From - 1; seq <= s.To; seq++ {
		holds, err := c.Holds(t.Context(), naiveState{w, seq}, nil)
		if err != nil {
			t.Fatal(err)
		}
		truth = append(truth, holds != s.Stopped)
	}
	already = truth[0]
	for i, is := range truth[1:] {
		seq := s.From + proto.Seq(i)
		switch {
		case already && ended == 0 && !is:
			ended = seq
		case (!already || ended > 0) && is && found == 0:
			found = seq
		}
	}
	return truth, already, ended, found
}

// conditions are drawn at random; the first few name constants alone, the next are
// told by counting, the last are not.
var conditions = []string{
	`object("pod/a/o1").spec.nodeName == "n1"`,
	`object("configmap/b/o2") != null && object("pod/b/o2") == null`,
	`object("pod/b-c/o3").status.phase == "Running" || object("pod/a/o0").metadata.labels.app == "x"`,
	`true`,
	`objects("pods").exists(p, p.status.phase == "Running" && p.spec.nodeName == "n2")`,
	`objects("pods", "a").size() > 1`,
	`objects("pods").size() == objects("configmaps").size()`,
	`objects("pods").all(p, p.metadata.labels.tier != "y")`,
	`objects("pods", "b").size() == 0 && object("pod/a/o1") != null`,
	`objects("pods", "a").exists(p, p.metadata.name == "o1")`,
	`objects("configmaps").exists(c, c.metadata.labels.app == "x")`,
	`objects("configmaps").size() > 2`,
	`objects("pods").exists_one(p, p.spec.nodeName == "n1")`,
	`objects("pods").filter(p, p.spec.nodeName == "n1").filter(q, q.status.phase == "Running").size() >= 1`,
	`objects("pods").filter(p, p.metadata.namespace == "b").all(q, q.spec.nodeName == "n1" || q.spec.nodeName == "")`,
	`size(objects("pods", "a")) + objects("configmaps").size() > 3`,
	`objects("pods").exists(p, int(p.metadata.resourceVersion) > 40)`,
	`objects("pods").exists(p, p["metadata"]["labels"]["app"] == "x" && has(p.status.phase))`,
	`objects("configmaps").all(c, c.metadata.labels.all(k, k != "tier"))`,
	`objects("pods").exists(p, p.status.containerStatuses.exists(c, c.restartCount > 1 && !c.ready))`,
	`objects("pods").all(p, p.status.containerStatuses.filter(p, p.ready).size() < 2 || p.spec.nodeName == "n1")`,
	`objects("pods").filter(p, p.status.containerStatuses.size() > 1).exists(p, p.status.containerStatuses[1].restartCount > p.status.containerStatuses[0].restartCount)`,
	`objects("pods").exists(p, p.status.containerStatuses.map(c, c.restartCount).exists(n, n == 2) && p.status.containerStatuses.all(c, c.ready))`,
	`objects("pods").size() > 2 ? objects("configmaps").size() > 1 : object("pod/a/o1") == null`,
	`objects("pods", "a").exists(p, p.kind == "Pod" && p.metadata.name == "o1") && objects("pods", "a").exists(p, p.metadata.name == "o1" || p.metadata.name > 3)`,
	`objects("pods").map(p, p.spec.nodeName).exists(n, n == "n2")`,
	`objects("pods").exists(p, objects("configmaps").exists(c, c.metadata.name == p.metadata.name))`,
	`objects("pods", "a").filter(p, p.spec == object("pod/a/o1").spec).size() > 1`,
	`["a", "b"].exists(n, objects("pods", n).size() > 1)`,
	`objects("pods").map(p, p).size() > 3`,
	`object("pods", "a", "o" + string(objects("configmaps").size())).spec.nodeName == "n1"`,
}

// TestE10EachMethodFindsWhatALookAtEveryStateFinds searches random histories, and
// random spans of them.
func TestE10EachMethodFindsWhatALookAtEveryStateFinds(t *testing.T) {
	methods := map[bisect.Method]int{}
	for seed := range uint64(25) {
		rng := rand.New(rand.NewPCG(seed, 10))
		log := randomLog(rng, 60)
		p, w := open(t, Config{}), foldNaively(log)
		commit(t, p, log...)
		for range 40 {
			text := pick(rng, conditions...)
			c, err := condition.Compile(condition.Config{Table: table}, text)
			if err != nil {
				t.Fatal(err)
			}
			from := 1 + proto.Seq(rng.IntN(len(log))*rng.IntN(2))
			s := bisect.Search{When: c, From: from, To: from + proto.Seq(rng.IntN(len(log)-int(from)+1)), Scan: rng.IntN(4) == 0, Stopped: rng.IntN(4) == 0}
			got, err := bisect.Find(t.Context(), p, s)
			if err != nil {
				t.Fatal(err)
			}
			methods[got.Method]++
			where := fmt.Sprintf("seed %d: %s from %s to %s (scan %v, stopped %v): %+v", seed, text, s.From, s.To, s.Scan, s.Stopped, got)
			truth, already, ended, found := wanted(t, w, c, s)
			at := int(got.Found - s.From + 1)
			switch {
			case got.Already != already || got.Ended != ended || got.Event != -1:
				t.Errorf("%s: want already %v, ended %s", where, already, ended)
			case got.Method == bisect.ByHalves && (s.Scan || found == 0 || !truth[at] || truth[at-1]):
				t.Errorf("%s: it did not become true there", where)
			case got.Method == bisect.ByHalves && once(truth) && got.Found != found:
				t.Errorf("%s: want %s", where, found)
			case got.Method != bisect.ByHalves && got.Found != found:
				t.Errorf("%s: want %s", where, found)
			}
		}
	}
	for _, method := range []bisect.Method{bisect.ByRevisions, bisect.ByHalves, bisect.ByScan} {
		if methods[method] < 40 {
			t.Errorf("%s was used %d times: the test shows little", method, methods[method])
		}
	}
}

// once tells whether it became true once, and stayed so.
func once(truth []bool) bool {
	first := slices.Index(truth, true)
	return first < 0 || !slices.Contains(truth[first:], false)
}

// TestE10Events searches for events by what they are, and by their objects before
// and after them.
func TestE10Events(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 11))
	log := randomLog(rng, 80)
	p, w := open(t, Config{}), foldNaively(log)
	commit(t, p, log...)
	for text, is := range map[string]func(env *proto.Envelope, ev *proto.Event) bool{
		`event.object.resource == "pods" && event.object.namespace == "b-c" && event.cause > 20`: func(env *proto.Envelope, ev *proto.Event) bool {
			return ev.Key.Resource.Name == "pods" && ev.Key.Namespace == "b-c" && env.Cause.Seq > 20
		},
		`before != null && after == null`: func(env *proto.Envelope, ev *proto.Event) bool {
			_, was := w[env.Seq-1][ev.Key]
			_, is := w[env.Seq][ev.Key]
			return was && !is
		},
		`event.object.name == "o1" && objects("pods", event.object.namespace).size() == 3`: func(env *proto.Envelope, ev *proto.Event) bool {
			return ev.Key.Name == "o1" && len(w.list(env.Seq, events.Query{Resource: pods, Namespace: ev.Key.Namespace})) == 3
		},
		`event.fact == "Nonsense"`: func(*proto.Envelope, *proto.Event) bool { return false },
	} {
		c, err := condition.Compile(condition.Config{Table: table}, text)
		if err != nil {
			t.Fatal(err)
		}
		for _, from := range []proto.Seq{1, 30, 60} {
			want, event := proto.Seq(0), -1
			for _, e := range log[from-1:] {
				if i := slices.IndexFunc(e.Envelope.Events, func(ev proto.Event) bool { return is(e.Envelope, &ev) }); i >= 0 {
					want, event = e.Envelope.Seq, i
					break
				}
			}
			got, err := bisect.Find(t.Context(), p, bisect.Search{When: c, From: from, To: p.Position().Seq})
			if err != nil || got.Found != want || got.Event != event || got.Method != bisect.ByScan {
				t.Errorf("%s from %s: got %+v, %v, want %s, event %d", text, from, got, err, want, event)
			}
		}
		if _, err := bisect.Find(t.Context(), p, bisect.Search{When: c, From: 1, To: 5, Stopped: true}); err == nil {
			t.Errorf("%s: an event stopped being true", text)
		}
	}
}

// TestE10ASearchEndsWithItsContext looks for what never becomes true.
func TestE10ASearchEndsWithItsContext(t *testing.T) {
	log := randomLog(rand.New(rand.NewPCG(1, 12)), 60)
	p := open(t, Config{})
	commit(t, p, log...)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, text := range []string{`object("pod/a/o1").spec.nodeName == "nope"`, `objects("pods").size() > 99`, `event.seq > 99`} {
		c, err := condition.Compile(condition.Config{Table: table}, text)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := bisect.Find(ctx, p, bisect.Search{When: c, From: 1, To: p.Position().Seq}); err == nil {
			t.Errorf("%s: it went on", text)
		}
	}
}

// BenchmarkBisect searches a log of 1,000,000 transactions over 100,000 objects
// for what became true in the middle of it.
func BenchmarkBisect(b *testing.B) {
	const n, objects = 1_000_000, 100_000
	p := benchProjection(b, n, objects)
	for _, text := range []string{
		`object("pod/team-51/object-000051").status.message != ""`,
		`objects("pods", "team-51").filter(p, p.status.message != "").size() > 300`,
		`objects("pods").filter(p, p.status.message != "").size() > 45000`,
		`objects("configmaps", "team-50").size() > 490`,
	} {
		c, err := condition.Compile(condition.Config{Table: table}, text)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(text, func(b *testing.B) {
			before := cpuTime()
			for b.Loop() {
				got, err := bisect.Find(b.Context(), p, bisect.Search{When: c, From: 1, To: n})
				if err != nil || got.Found == 0 {
					b.Fatalf("%+v, %v", got, err)
				}
				b.ReportMetric(float64(got.Looked), "looks")
			}
			b.ReportMetric(float64((cpuTime()-before).Milliseconds())/float64(b.N), "cpu-ms/op")
		})
	}
}

// benchProjection holds a log as benchLog makes it, on disk.
func benchProjection(b *testing.B, n, objects int) *Projection {
	b.Helper()
	p := open(b, Config{Dir: b.TempDir()})
	for some := range slices.Chunk(benchLog(n, objects), 2048) {
		entries := make([]proto.Entry, len(some))
		for i, data := range some {
			entries[i] = entryOf(data)
		}
		commit(b, p, entries...)
	}
	b.ResetTimer()
	return p
}

// TestE10VersionsAreThoseOfTheHistory compares what is read without decoding with
// what History and lists answer, at every sequence.
func TestE10VersionsAreThoseOfTheHistory(t *testing.T) {
	log := randomLog(rand.New(rand.NewPCG(5, 10)), 60)
	p, w := open(t, Config{}), foldNaively(log)
	commit(t, p, log...)
	last := p.Position().Seq
	for _, key := range w.keys() {
		all, err := p.History(key, last, 0)
		if err != nil {
			t.Fatal(err)
		}
		for after := proto.Seq(0); after <= last; after += 7 {
			for upto := after; upto <= last+2; upto += 5 {
				var want []proto.Seq
				for _, r := range all {
					if seq := r.Record.Seq; seq > after && seq <= upto {
						want = append([]proto.Seq{seq}, want...)
					}
				}
				got, err := p.ChangedAt(key, after, upto)
				if err != nil || !slices.Equal(got, want) {
					t.Fatalf("%s behind %s up to %s: got %v (%v), want %v", key, after, upto, got, err, want)
				}
			}
		}
	}
	for seq := proto.Seq(0); seq <= last; seq++ {
		for _, namespace := range []string{"", "b"} {
			versions, err := p.Versions(pods, namespace, seq, nil)
			if err != nil {
				t.Fatal(err)
			}
			living := slices.DeleteFunc(slices.Clone(versions), func(v events.VersionAt) bool { return v.Deleted })
			objects, err := p.Objects(t.Context(), living)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(w.list(seq, events.Query{Resource: pods, Namespace: namespace}), objects, cmpopts.EquateEmpty()); d != "" {
				t.Fatalf("pods of %q at %s: (-want +got)\n%s", namespace, seq, d)
			}
			var keys []proto.ObjectKey
			for _, v := range versions {
				keys = append(keys, v.Key)
			}
			again, err := p.Versions(pods, namespace, seq, append(keys, pods.Key("b", "never")))
			if err != nil || !slices.Equal(again, versions) {
				t.Fatalf("pods of %q at %s: among them all: %v (%v), want %v", namespace, seq, again, err, versions)
			}
		}
	}
	if _, err := p.Versions(pods, "", last+1, nil); !errors.Is(err, ErrFuture) {
		t.Errorf("of the future: %v", err)
	}
	if _, err := p.Objects(t.Context(), []events.VersionAt{{Key: pods.Key("b", "never"), Seq: 3}}); err == nil {
		t.Error("what never was, was read")
	}
}
