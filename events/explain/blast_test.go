package explain

import (
	"fmt"
	"testing"
	"time"

	"segno/proto"
)

// wave draws a tree: what is left out stands behind a plus.
func drawnWave(w *Wave) string {
	text := w.Transaction.Seq.String()
	if len(w.Effects) > 0 || w.LeftOut > 0 {
		text += "("
		for i, effect := range w.Effects {
			if i > 0 {
				text += " "
			}
			text += drawnWave(effect)
		}
		if w.LeftOut > 0 {
			text += fmt.Sprintf("+%d", w.LeftOut)
		}
		text += ")"
	}
	return text
}

func TestE8Blast(t *testing.T) {
	s := newStory(t)
	s.tell(ada, 0, "create", deployment(1))                   // 1
	s.tell(ada, 0, "scale", deployment(3))                    // 2
	s.tell("system:deployment", 2, "Scaled", set(3))          // 3
	s.tell(sets, 3, "Missing", pod(), pod(named("q")))        // 4
	s.tell(scheduler, 4, "Scheduled", pod(bound))             // 5
	s.tell(scheduler, 4, "Scheduled", pod(named("q"), bound)) // 6
	s.tell("user:bob", 0, "other", deployment(4))             // 7
	s.tell(node1, 5, "PodReady", pod(runs(true)))             // 8

	for _, test := range []struct {
		name   string
		seq    proto.Seq
		bounds Bounds
		tree   string
		total  int
		depth  int
		took   time.Duration
	}{
		{"all", 2, Bounds{}, "2(3(4(5(8) 6)))", 5, 4, 6 * time.Second},
		{"depth", 2, Bounds{Depth: 2}, "2(3(4(+3)))", 5, 4, 6 * time.Second},
		{"limit", 2, Bounds{Limit: 3}, "2(3(4(5(+1)+1)))", 5, 4, 6 * time.Second},
		{"as of then", 2, Bounds{Last: 5}, "2(3(4(5)))", 3, 3, 3 * time.Second},
		{"nothing", 8, Bounds{}, "8", 0, 0, 0},
	} {
		b, err := Spread(t.Context(), s, test.seq, test.bounds)
		if err != nil {
			t.Fatal(err)
		}
		if got := drawnWave(b.Root); got != test.tree || b.Transactions != test.total || b.Depth != test.depth || b.Took != test.took || b.More {
			t.Errorf("%s: %s, %d in %d steps, %s; want %s, %d in %d, %s", test.name, got, b.Transactions, b.Depth, b.Took, test.tree, test.total, test.depth, test.took)
		}
	}
	b, err := Spread(t.Context(), s, 2, Bounds{Depth: 1})
	if err != nil || b.Events != 9 || len(b.Counts) != 2 || b.Counts[0] != (Count{pods, "PodChanged", 7}) {
		t.Errorf("counts: %v %d %+v", err, b.Events, b.Counts)
	}
	if b, err := Spread(t.Context(), s, 99, Bounds{}); b != nil || err != nil {
		t.Errorf("of nothing: %+v %v", b, err)
	}
	key := proto.Resource{Group: "apps", Name: "deployments"}.Key("default", "d")
	for _, test := range []struct {
		key   proto.ObjectKey
		last  proto.Seq
		want  proto.Seq
		known bool
	}{{key, 8, 7, true}, {key, 6, 2, true}, {podKey, 8, 0, true}, {pods.Key("default", "none"), 8, 0, false}} {
		wish, known, err := NewestWish(s, test.key, test.last)
		if err != nil || known != test.known || (wish == nil) != (test.want == 0) || (wish != nil && wish.Seq != test.want) {
			t.Errorf("the newest wish about %s up to %d: %+v %t %v", test.key, test.last, wish, known, err)
		}
	}
}
