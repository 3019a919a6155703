package sandbox

import (
	"bytes"
	"context"
	"fmt"
	"iter"
	"math"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"segno/cli/api"
	"segno/cli/api/history"
	"segno/cli/api/logs"
	"segno/events"
	"segno/events/bisect"
	"segno/events/condition"
	"segno/projections"
	"segno/proto"
	"segno/reconcilers"
)

// TestE11TheLogOfAForkIsItsParentsAndThenItsOwn compares the past of forks, begun at
// every age of a cluster, with that of one log which holds the same transactions from
// the first to the last.
func TestE11TheLogOfAForkIsItsParentsAndThenItsOwn(t *testing.T) {
	for seed := range uint64(6) {
		rng := rand.New(rand.NewPCG(seed, 11))
		w := begin(t, 2)
		for range rng.IntN(4) {
			w.happen(rng)
		}
		w.change(rng) // what follows from it does so here and there, behind the point
		w.create(nodeObject("n3", "4"))
		fork := w.fork(Config{})
		for _, one := range []*world{w, fork} {
			one.advance(time.Second)
		}
		for range 2 {
			w.happen(rng) // the parent goes on, which is none of the fork's business
		}
		for range rng.IntN(4) {
			fork.happen(rng)
		}
		c := &comparison{t: t, rng: rng, got: fork.logs, want: fork.whole(w), point: fork.point.Seq, last: fork.truth().Position().Seq}
		c.compare()
		if t.Failed() {
			t.Fatalf("seed %d: from %s to %s, of these the parent's up to %s", seed, proto.Seq(1), c.last, c.point)
		}
	}
}

// happen changes something, and lets time pass.
func (w *world) happen(rng *rand.Rand) {
	w.t.Helper()
	w.change(rng)
	w.advance(time.Duration(1+rng.IntN(60)) * time.Second)
}

// change makes, changes or deletes the Deployment.
func (w *world) change(rng *rand.Rand) {
	w.t.Helper()
	d, there, err := events.GetAs[events.Object](w.View(), keyOf(web(0, image, "0")))
	if err != nil {
		w.t.Fatal(err)
	}
	switch {
	case !there:
		w.create(web(int32(1+rng.IntN(4)), image, "100m"))
	case rng.IntN(3) == 0:
		w.do(events.Delete{Key: keyOf(d), Options: metav1.DeleteOptions{}})
	default:
		next := web(int32(rng.IntN(5)), fmt.Sprintf("nginx:1.%d", rng.IntN(3)), "100m")
		next.ResourceVersion, next.UID = d.GetResourceVersion(), d.GetUID()
		w.do(events.Update{Key: keyOf(d), Object: next})
	}
}

// whole is the log of the fork as one that was never anything else.
func (w *world) whole(parent *world) *logs.Logs {
	w.t.Helper()
	all := map[string]logs.Log{}
	for _, stream := range streams {
		fold, err := projections.Open(projections.Config{Table: table})
		if err != nil {
			w.t.Fatal(err)
		}
		w.t.Cleanup(func() { _ = fold.Close() })
		for _, part := range []iter.Seq2[projections.Recorded, error]{
			parent.folds[stream].Entries(w.ctx, 1, w.folds[stream].First()-1),
			w.folds[stream].Entries(w.ctx, w.folds[stream].First(), projections.Newest),
		} {
			for entry, err := range part {
				if err == nil {
					err = fold.Commit([]proto.Entry{entry.Entry}, nil)
				}
				if err != nil {
					w.t.Fatal(err)
				}
			}
		}
		if fold.StateHash() != w.folds[stream].StateHash() {
			w.t.Fatalf("%s: the states differ", stream)
		}
		all[stream] = logs.Log{Fold: fold, Submit: w.Submit}
	}
	whole, err := logs.New(logs.Config{Name: "sandbox", Now: w.Now, Table: table, Logs: all})
	if err != nil {
		w.t.Fatal(err)
	}
	return whole
}

type comparison struct {
	t           *testing.T
	rng         *rand.Rand
	got, want   *logs.Logs
	point, last proto.Seq
}

// span is some part of the log, both ends included, mostly one that the point is in.
func (c *comparison) span() (from, to proto.Seq) {
	from = proto.Seq(1 + c.rng.IntN(int(c.last)))
	return from, from + proto.Seq(c.rng.IntN(int(c.last-from)+1))
}

// same asks both logs.
func same[T any](c *comparison, what string, ask func(l *logs.Logs) (T, error)) {
	c.t.Helper()
	got, err := ask(c.got)
	want, wantErr := ask(c.want)
	if err != nil || wantErr != nil {
		c.t.Errorf("%s: %v, want %v", what, err, wantErr)
		return
	}
	if !reflect.DeepEqual(got, want) {
		c.t.Errorf("%s:\n%s", what, cmp.Diff(want, got, cmp.Exporter(func(reflect.Type) bool { return true })))
	}
}

func collect[T any](all iter.Seq2[T, error]) (out []T, err error) {
	for item, err := range all {
		if err != nil {
			return out, err
		}
		out = append(out, item)
	}
	return out, nil
}

func (c *comparison) compare() {
	c.t.Helper()
	ctx := c.t.Context()
	keys := map[proto.ObjectKey]bool{}
	for env, err := range c.want.Events(ctx, proto.StreamEvents, 1, false) {
		if err != nil {
			c.t.Fatal(err)
		}
		for _, ev := range env.Events {
			keys[ev.Key] = keys[ev.Key] || ev.Section != proto.SectionMark
		}
		seq := env.Seq
		same(c, "effects of "+seq.String(), func(l *logs.Logs) ([]proto.Seq, error) { return l.Effects(ctx, seq) })
		same(c, "envelope "+seq.String(), func(l *logs.Logs) (*proto.Envelope, error) { return l.Envelope(ctx, proto.StreamEvents, seq) })
	}
	for key := range keys {
		if kind := table.Of(key.Resource); kind != nil {
			c.object(ctx, kind, key)
		}
	}
	for _, stream := range streams {
		same(c, "first of "+stream, func(l *logs.Logs) (proto.Seq, error) { return l.First(stream), nil })
		same(c, "events of "+stream, func(l *logs.Logs) ([]*proto.Envelope, error) { return collect(l.Events(ctx, stream, 1, false)) })
	}
	for range 40 {
		c.spanned(ctx)
	}
	for range 3 {
		c.export(ctx)
	}
	c.searches(ctx)
}

func (c *comparison) object(ctx context.Context, kind *events.Kind, key proto.ObjectKey) {
	c.t.Helper()
	for _, last := range []proto.Seq{math.MaxUint64, c.point, c.point - 1, 1 + proto.Seq(c.rng.IntN(int(c.last)))} {
		for _, limit := range []int{0, 1, 3} {
			same(c, fmt.Sprintf("%d revisions of %s up to %s", limit, key, last), func(l *logs.Logs) ([]history.Version, error) {
				return l.Revisions(ctx, kind, key, last, limit)
			})
		}
	}
	same(c, "beginning of "+key.String(), func(l *logs.Logs) (*events.Record, error) { return l.Beginning(ctx, kind, key) })
}

func (c *comparison) spanned(ctx context.Context) {
	c.t.Helper()
	from, to := c.span()
	wanted := func(_ *proto.Envelope, ev *proto.Event) bool { return ev.Key.Resource != reconcilers.Nodes }
	where := fmt.Sprintf(" from %s to %s", from, to)
	same(c, "changes"+where, func(l *logs.Logs) ([]history.Step, error) {
		steps, err := collect(l.Changes(ctx, proto.StreamEvents, from, to, false, wanted))
		for i := range steps {
			if before := steps[i].Before; before != nil && before.Deleted {
				steps[i].Before = nil // nobody tells one that had ended from none
			}
		}
		return steps, err
	})
	same(c, "difference"+where, func(l *logs.Logs) ([]history.Difference, error) {
		return collect(l.Between(ctx, proto.StreamEvents, from-1, to, wanted))
	})
	same(c, "pods as of "+from.String(), func(l *logs.Logs) (events.Page, error) {
		view, err := l.At(ctx, table.Of(reconcilers.Pods), from)
		if err != nil {
			return events.Page{}, err
		}
		return view.List(events.Query{Resource: reconcilers.Pods})
	})
	for _, resource := range []proto.Resource{reconcilers.Pods, {Name: "events"}, reconcilers.Leases} {
		kind := table.Of(resource)
		for _, moment := range []api.Moment{{Seq: from}, {Time: epoch.Add(time.Duration(c.rng.IntN(300_000)) * time.Millisecond)}} {
			same(c, fmt.Sprintf("%s: moment %v", resource, moment), func(l *logs.Logs) (string, error) {
				seq, at, err := l.Resolve(ctx, kind, moment)
				return fmt.Sprint(seq, at), err
			})
		}
	}
}

func (c *comparison) export(ctx context.Context) {
	c.t.Helper()
	from, to := c.span()
	where := fmt.Sprintf(" from %s to %s", from, to)
	var files [2]bytes.Buffer
	for i, l := range []*logs.Logs{c.got, c.want} {
		if err := l.Export(ctx, &files[i], api.Span{From: from, To: to, Until: epoch.Add(time.Hour), Secrets: true}); err != nil {
			c.t.Errorf("export%s: %v", where, err)
		}
	}
	if a, b := files[0].Len(), files[1].Len(); (a-b)*(a-b) > 100*100 { // when it was made differs
		c.t.Errorf("export%s: %d bytes, want %d", where, a, b)
	}
}

// searches looks for when something became true.
func (c *comparison) searches(ctx context.Context) {
	c.t.Helper()
	for _, text := range []string{
		`objects("pods").size() > 1`,
		`objects("pods").size() == 0 && object("deployment/web") == null`,
		`objects("replicasets").exists(r, r.spec.template.spec.containers[0].image == "nginx:1.2")`,
		`object("deployment/web").spec.replicas == 3`,
		`event.fact == "PodDeleted"`,
	} {
		when, err := condition.Compile(condition.Config{Table: table, Namespace: space}, text)
		if err != nil {
			c.t.Fatal(err)
		}
		for range 6 {
			from, to := c.span()
			scan := c.rng.IntN(2) == 0
			same(c, fmt.Sprintf("%s from %s to %s, scan %t", text, from, to, scan), func(l *logs.Logs) (bisect.Answer, error) {
				return l.Find(ctx, bisect.Search{When: when, From: from, To: to, Scan: scan})
			})
		}
	}
}
