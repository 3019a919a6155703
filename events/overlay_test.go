package events

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"

	"segno/proto"
)

// TestOverlayIsExact walks at random: each command is decided on an overlay and
// on a cluster that has everything folded. They must agree on the decision, and
// every List must be the same, at any number of pending transactions.
func TestOverlayIsExact(t *testing.T) {
	for seed := range uint64(40) {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			w := newWalk(t, seed)
			for range 120 {
				w.step()
			}
		})
	}
}

// walk is one random walk.
type walk struct {
	t       *testing.T
	rand    *rand.Rand
	folded  *cluster // everything
	base    *cluster // what the projection has
	behind  []Decision
	overlay *Overlay
}

func newWalk(t *testing.T, seed uint64) *walk {
	w := &walk{t: t, rand: rand.New(rand.NewPCG(seed, 1)), folded: newCluster(t), base: newCluster(t)}
	w.overlay = NewOverlay(w.base.table, w.base)
	return w
}

func (w *walk) step() {
	w.t.Helper()
	cmd := Command{Actor: "user:walk", Action: w.action(true)}
	got, err := Decide(w.folded.table, w.overlay, cmd, w.folded.at)
	want, wantErr := Decide(w.folded.table, w.folded, cmd, w.folded.at)
	if fmt.Sprint(err) != fmt.Sprint(wantErr) {
		w.t.Fatalf("%s %s: on the overlay %v, folded %v", verbOf(cmd.Action), keyOf(cmd.Action), err, wantErr)
	}
	if diff := cmp.Diff(want.Events, got.Events); diff != "" {
		w.t.Fatalf("%s %s: folded and overlay decide differently:\n%s", verbOf(cmd.Action), keyOf(cmd.Action), diff)
	}
	if len(got.Events) > 0 {
		w.folded.fold(want)
		w.overlay.Push(w.folded.seq, got)
		w.behind = append(w.behind, want)
	}
	if w.rand.IntN(6) == 0 && len(w.behind) > 0 {
		n := 1 + w.rand.IntN(len(w.behind))
		for _, d := range w.behind[:n] {
			w.base.fold(d)
		}
		w.behind = w.behind[n:]
		w.overlay.Rebase(w.base)
	}
	if w.overlay.Seq() != w.folded.seq {
		w.t.Fatalf("overlay is at %d, the log at %d", w.overlay.Seq(), w.folded.seq)
	}
	w.compare(w.query())
}

func (w *walk) name() string { return string(rune('a' + w.rand.IntN(8))) }

func (w *walk) namespace() string { return []string{"default", "other"}[w.rand.IntN(2)] }

func (w *walk) action(batch bool) Action {
	ns := w.namespace()
	key := pods.Key(ns, w.name())
	uid := types.UID(fmt.Sprint("u", w.rand.IntN(1000)))
	label := fmt.Sprintf(`{"metadata":{"labels":{"l":"%d"}}}`, w.rand.IntN(3))
	switch w.rand.IntN(14) {
	case 0:
		return Create{Key: namespaces.Key("", "other"), Object: &corev1.Namespace{}, UID: uid}
	case 1, 2, 3, 4:
		pod := newPod(key.Name)
		pod.Namespace = ns
		pod.Labels = map[string]string{"l": fmt.Sprint(w.rand.IntN(3))}
		if w.rand.IntN(3) == 0 {
			pod.OwnerReferences = []metav1.OwnerReference{{APIVersion: "v1", Kind: "Pod", Name: "x", UID: types.UID(fmt.Sprint("owner", w.rand.IntN(2)))}}
		}
		if w.rand.IntN(4) == 0 {
			pod.Finalizers = []string{"example.com/f"}
		}
		return Create{Key: key, Object: pod, UID: uid}
	case 5:
		return Create{Key: nodes.Key("", fmt.Sprint("n", w.rand.IntN(2))), Object: &corev1.Node{}, UID: uid}
	case 6, 7:
		return Bind{Key: key, Node: proto.NodeName(fmt.Sprint("n", w.rand.IntN(2)))}
	case 8:
		return Patch{Key: key, Type: types.MergePatchType, Data: []byte(label)}
	case 9:
		phase := []string{"Running", "Failed"}[w.rand.IntN(2)]
		return Patch{Key: key, Subresource: SubStatus, Type: types.StrategicMergePatchType, Data: []byte(`{"status":{"phase":"` + phase + `"}}`)}
	case 10:
		return Patch{Key: key, Type: types.JSONPatchType, Data: []byte(`[{"op":"remove","path":"/metadata/finalizers"}]`)}
	case 11:
		return Delete{Key: key}
	case 12:
		zero := int64(0)
		return Delete{Key: key, Options: metav1.DeleteOptions{GracePeriodSeconds: &zero}}
	default:
		if !batch {
			return Delete{Key: namespaces.Key("", "other")}
		}
		var all Batch
		for range w.rand.IntN(4) {
			all = append(all, w.action(false))
		}
		return all
	}
}

func (w *walk) query() Query {
	q := Query{Resource: pods, Limit: w.rand.IntN(5)}
	if w.rand.IntN(2) == 0 {
		q.Namespace = w.namespace()
	}
	if w.rand.IntN(3) == 0 {
		q.Labels = labels.SelectorFromSet(labels.Set{"l": fmt.Sprint(w.rand.IntN(3))})
	}
	if w.rand.IntN(4) == 0 {
		q.Fields = fields.ParseSelectorOrDie([]string{"status.phase=Running", "metadata.name=c", "spec.nodeName!=n0"}[w.rand.IntN(3)])
	}
	if w.rand.IntN(6) == 0 {
		q.Owner = types.UID(fmt.Sprint("owner", w.rand.IntN(2)))
	}
	if w.rand.IntN(6) == 0 {
		q.Node = proto.NodeName(fmt.Sprint("n", w.rand.IntN(2)))
	}
	return q
}

// compare pages through the query on both sides.
func (w *walk) compare(q Query) {
	w.t.Helper()
	var got, want []Object
	for page := 0; ; page++ {
		g, err := w.overlay.List(q)
		if err != nil {
			w.t.Fatal(err)
		}
		f, err := w.folded.List(q)
		if err != nil {
			w.t.Fatal(err)
		}
		got, want = append(got, g.Items...), append(want, f.Items...)
		if g.Remaining != f.Remaining || (g.Next == nil) != (f.Next == nil) || g.Next != nil && *g.Next != *f.Next {
			w.t.Fatalf("page %d of %+v: next %v remaining %d, folded has next %v remaining %d", page, q, g.Next, g.Remaining, f.Next, f.Remaining)
		}
		if g.Next == nil {
			break
		}
		q.After = *g.Next
	}
	if !apiequality.Semantic.DeepEqual(want, got) {
		w.t.Fatalf("list %+v:\n%s", q, cmp.Diff(want, got))
	}
	for _, obj := range want {
		one, err := w.overlay.Get(pods.Key(obj.GetNamespace(), obj.GetName()))
		if err != nil || !apiequality.Semantic.DeepEqual(one, obj) {
			w.t.Fatalf("get %s/%s: %v, %v", obj.GetNamespace(), obj.GetName(), one, err)
		}
	}
}

// TestOverlayKeepsWhatIsNewerThanTheBase: an object that changed twice stays
// until the base has the second change.
func TestOverlayKeepsWhatIsNewerThanTheBase(t *testing.T) {
	folded, base := newCluster(t), newCluster(t)
	o := NewOverlay(base.table, base)
	key := configMaps.Key("default", "a")
	var done []Decision
	for i, action := range []Action{
		Create{Key: key, Object: &corev1.ConfigMap{}, UID: "u"},
		Patch{Key: key, Type: types.MergePatchType, Data: []byte(`{"data":{"k":"v"}}`)},
		Delete{Key: key},
	} {
		d, err := Decide(folded.table, o, Command{Action: action}, folded.at)
		if err != nil {
			t.Fatal(err)
		}
		o.Push(proto.Seq(i+2), d)
		done = append(done, d)
	}
	for i, d := range done {
		if obj, _ := o.Get(key); obj != nil {
			t.Fatalf("after %d folds the overlay shows %v, it was deleted", i, obj)
		}
		base.fold(d)
		o.Rebase(base)
	}
	if len(o.queue) != 0 || o.Seq() != 4 {
		t.Errorf("%d pending at %d", len(o.queue), o.Seq())
	}
	if page, err := o.List(Query{Resource: configMaps}); err != nil || len(page.Items) != 0 {
		t.Errorf("%v, %v", page, err)
	}
}

func TestCompareKeysIsNamespaceThenName(t *testing.T) {
	keys := []proto.ObjectKey{pods.Key("b", "a"), pods.Key("a-b", "a"), pods.Key("a", "z"), pods.Key("a", "a.b"), pods.Key("a", "a-b"), pods.Key("", "x")}
	slices.SortFunc(keys, CompareKeys)
	var got []string
	for _, k := range keys {
		got = append(got, k.Namespace+"/"+k.Name)
	}
	if diff := cmp.Diff([]string{"/x", "a/a-b", "a/a.b", "a/z", "a-b/a", "b/a"}, got); diff != "" {
		t.Error(diff)
	}
}

func BenchmarkOverlayPushAndRebase(b *testing.B) {
	c := newCluster(b)
	view := c.freeze()
	o := NewOverlay(c.table, view)
	at := time.Now()
	seq := o.Seq()
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		d, err := Decide(c.table, o, Command{Action: Create{Key: configMaps.Key("default", fmt.Sprint("c", i)), Object: &corev1.ConfigMap{}, UID: "u"}}, at)
		if err != nil {
			b.Fatal(err)
		}
		seq++
		o.Push(seq, d)
		if i%500 == 499 {
			view.seq = seq
			o.Rebase(view)
		}
	}
}
