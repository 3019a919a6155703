package projections

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"

	"segno/events"
	"segno/proto"
)

// thing is an object as the naive fold keeps it.
type thing struct {
	uid          string
	spec, status []byte
	seq          proto.Seq
}

// world is every state of a log, by sequence: the naive fold.
type world []map[proto.ObjectKey]thing

func foldNaively(log []proto.Entry) world {
	now := map[proto.ObjectKey]thing{}
	w := world{maps.Clone(now)}
	for _, e := range log {
		for _, ev := range e.Envelope.Events {
			had, ok := now[ev.Key]
			same := ok && had.uid == ev.UID
			switch {
			case ev.Section == proto.SectionSpec && same:
				now[ev.Key] = thing{ev.UID, ev.Body, had.status, e.Envelope.Seq}
			case ev.Section == proto.SectionSpec:
				now[ev.Key] = thing{ev.UID, ev.Body, nil, e.Envelope.Seq}
			case ev.Section == proto.SectionStatus && same:
				now[ev.Key] = thing{ev.UID, had.spec, ev.Body, e.Envelope.Seq}
			case ev.Section == proto.SectionGone && same:
				delete(now, ev.Key)
			}
		}
		w = append(w, maps.Clone(now))
	}
	return w
}

func (w world) keys() []proto.ObjectKey {
	all := map[proto.ObjectKey]bool{}
	for _, state := range w {
		for key := range state {
			all[key] = true
		}
	}
	return slices.SortedFunc(maps.Keys(all), events.CompareKeys)
}

func (t thing) object(key proto.ObjectKey) events.Object {
	obj, err := table.Decode(&events.Record{Key: key, Seq: t.seq, Spec: t.spec, Status: t.status, Encoding: proto.EncodingProtobuf})
	if err != nil {
		panic(err)
	}
	return obj
}

// list is what a query should answer as of a sequence.
func (w world) list(seq proto.Seq, q events.Query) (out []events.Object) {
	keys := slices.SortedFunc(maps.Keys(w[seq]), events.CompareKeys)
	for _, key := range keys {
		if key.Resource != q.Resource {
			continue
		}
		if obj := w[seq][key].object(key); q.Matches(table.Of(key.Resource), obj) {
			out = append(out, obj)
		}
	}
	return out
}

// randomLog makes a history full of deletions, re-creations, late statuses and
// transactions of several events.
func randomLog(rng *rand.Rand, n int) []proto.Entry {
	var s script
	uids := map[string]int{}
	for range n {
		evs := []proto.Event{}
		for range 1 + rng.IntN(3) {
			evs = append(evs, randomEvent(rng, uids))
		}
		s.because(proto.Seq(rng.IntN(int(s.seq)+1)), evs...)
	}
	return s.log
}

func randomEvent(rng *rand.Rand, uids map[string]int) proto.Event {
	ns, name := pick(rng, "a", "b", "b-c"), fmt.Sprintf("o%d", rng.IntN(5))
	kind := pick(rng, "pod", "pod", "pod", "map", "event", "mark")
	id := kind + ns + name
	if rng.IntN(6) == 0 {
		uids[id]++
	}
	uid := fmt.Sprintf("%s-%d", id, uids[id])
	if rng.IntN(8) == 0 {
		uid = fmt.Sprintf("%s-%d", id, max(uids[id]-1, 0)) // late
	}
	var tags []string
	for _, tag := range []string{"app", "tier"} {
		if rng.IntN(2) == 0 {
			tags = append(tags, tag, pick(rng, "x", "y", ""))
		}
	}
	var obj events.Object
	switch kind {
	case "mark":
		return marked()
	case "map":
		obj = configMap(ns, name, uid, fmt.Sprint(rng.IntN(100)), tags...)
	case "event":
		obj = &corev1.Event{
			ObjectMeta:     meta1(ns, name, uid, tags),
			InvolvedObject: corev1.ObjectReference{UID: types.UID(pick(rng, "p", "q", "")), Name: pick(rng, "p", "q")},
		}
	default:
		p := pod(ns, name, uid, pick(rng, "", "n1", "n2"), pick(rng, corev1.PodPending, corev1.PodRunning), tags...)
		if rng.IntN(2) == 0 {
			p.OwnerReferences = []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: "ReplicaSet", Name: "r", UID: types.UID(pick(rng, "r1", "r2"))}}
		}
		for i := range rng.IntN(3) {
			p.Status.ContainerStatuses = append(p.Status.ContainerStatuses, corev1.ContainerStatus{
				Name: fmt.Sprint("c", i), RestartCount: rng.Int32N(3), Ready: rng.IntN(2) == 0, ContainerID: fmt.Sprint(rng.IntN(1000)),
			})
		}
		obj = p
	}
	switch roll := rng.IntN(10); {
	case roll < 2:
		return ended(obj)
	case roll < 5 && kind == "pod":
		return observed(obj)
	default:
		return specified(obj)
	}
}

func pick[T any](rng *rand.Rand, from ...T) T { return from[rng.IntN(len(from))] }

func randomQuery(rng *rand.Rand) events.Query {
	q := events.Query{Resource: pick(rng, pods, pods, configMaps, notes)}
	q.Namespace = pick(rng, "", "", "a", "b")
	selector := pick(rng, "", "", "app=x", "app=", "app in (y)", "app in (x,y),tier=x", "app!=x", "!tier", "tier,app==y")
	if selector != "" {
		q.Labels, _ = labels.Parse(selector)
	}
	switch q.Resource {
	case pods:
		q.Owner = pick(rng, types.UID(""), "", "r1", "r9")
		q.Node = pick(rng, proto.NodeName(""), "", "", "n1", "n9")
		if f := pick(rng, "", "", "", "spec.nodeName=n2", "spec.nodeName=", "status.phase=Running", "metadata.name=o1"); f != "" {
			q.Fields = fields.ParseSelectorOrDie(f)
		}
	case notes:
		if f := pick(rng, "", "involvedObject.uid=p", "involvedObject.name=q", "involvedObject.uid=,involvedObject.name=p"); f != "" {
			q.Fields = fields.ParseSelectorOrDie(f)
		}
	}
	return q
}

// listPages lists in pages of the given size, 0 for all at once.
func listPages(t *testing.T, v events.View, q events.Query, limit int, left func(got int) int64) []events.Object {
	t.Helper()
	var out []events.Object
	for q.Limit = limit; ; {
		page, err := v.List(q)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, page.Items...)
		if page.Next == nil {
			if page.Remaining != 0 {
				t.Errorf("the last page of %+v says that %d remain", q, page.Remaining)
			}
			return out
		}
		if want := left(len(out)); page.Remaining != want {
			t.Errorf("page of %+v at %s says that %d remain, want %d", q, v.Seq(), page.Remaining, want)
		}
		q.After = *page.Next
	}
}

// checkWorld compares everything that a projection says of a sequence with the
// naive fold.
func checkWorld(t *testing.T, p *Projection, w world, seq proto.Seq, rng *rand.Rand, queries int) {
	t.Helper()
	v, err := p.At(seq)
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range w.keys() {
		got, err := v.Get(key)
		if err != nil {
			t.Fatal(err)
		}
		var want events.Object
		if x, ok := w[seq][key]; ok {
			want = x.object(key)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("%s as of %s: %s", key, seq, diff)
		}
	}
	for range queries {
		q := randomQuery(rng)
		want := w.list(seq, q)
		left := func(got int) int64 {
			if q.Selective() {
				return -1
			}
			return int64(len(want) - got)
		}
		got := listPages(t, v, q, pick(rng, 0, 0, 1, 2, 3, 100), left)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("list %+v as of %s (recent since %s): %s", q, seq, p.recent.floor, diff)
		}
	}
}

// commitInGroups commits a log in groups of random size.
func commitInGroups(t *testing.T, p *Projection, rng *rand.Rand, log []proto.Entry, between func()) {
	t.Helper()
	for len(log) > 0 {
		n := min(1+rng.IntN(7), len(log))
		commit(t, p, log[:n]...)
		log = log[n:]
		if between != nil {
			between()
		}
	}
}

func TestE3EveryMomentIsWhatANaiveFoldSays(t *testing.T) {
	for seed := range uint64(12) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 7))
			log := randomLog(rng, 120)
			w := foldNaively(log)
			cfg := Config{RecordBytes: pick(rng, 1, 8<<20), ObjectBytes: pick(rng, 1, 1<<20)}
			p := open(t, cfg)
			p.recent.limit = pick(rng, 5, 50, recentMost)
			if rng.IntN(2) == 0 {
				s, err := p.Subscribe(0, Filter{})
				if err != nil {
					t.Fatal(err)
				}
				defer s.Close()
			}
			commitInGroups(t, p, rng, log, func() {
				now := p.Position().Seq
				checkWorld(t, p, w, now, rng, 3)
				checkWorld(t, p, w, proto.Seq(rng.IntN(int(now)+1)), rng, 3)
			})
			for seq := range w {
				checkWorld(t, p, w, proto.Seq(seq), rng, 8)
			}
		})
	}
}

func dumpOf(t *testing.T, p *Projection) string {
	t.Helper()
	var out bytes.Buffer
	if err := p.Dump(&out); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestE3RebuildEqualsIncremental(t *testing.T) {
	for seed := range uint64(6) {
		rng := rand.New(rand.NewPCG(seed, 3))
		log := randomLog(rng, 300)
		slow := open(t, Config{RecordBytes: 1})
		s, err := slow.Subscribe(0, Filter{})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		commitInGroups(t, slow, rng, log, nil)
		dir := t.TempDir()
		for i := 0; i < len(log); i += 100 { // with two restarts
			p, err := Open(Config{Dir: dir, Table: table})
			if err != nil {
				t.Fatal(err)
			}
			if err := p.Commit(log[:i+100], nil); err != nil {
				t.Fatal(err)
			}
			if err := p.Close(); err != nil {
				t.Fatal(err)
			}
		}
		fast := open(t, Config{Dir: dir})
		if slow.StateHash() != fast.StateHash() {
			t.Errorf("seed %d: state hash %s, rebuilt %s", seed, slow.StateHash(), fast.StateHash())
		}
		if diff := cmp.Diff(strings.Split(dumpOf(t, slow), "\n"), strings.Split(dumpOf(t, fast), "\n")); diff != "" {
			t.Errorf("seed %d: rebuilt differs: %s", seed, diff)
		}
		for seq := range proto.Seq(301) {
			a, err := slow.StateHashAt(seq)
			if err != nil {
				t.Fatal(err)
			}
			if b, err := fast.StateHashAt(seq); err != nil || a != b {
				t.Fatalf("seed %d: state hash at %s is %s, rebuilt %s, %v", seed, seq, a, b, err)
			}
		}
	}
}
