package condition

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	"segno/events"
	"segno/proto"
)

func manyPods(n int) *cluster {
	var all []events.Object
	for i := range n {
		all = append(all, pod("default", fmt.Sprintf("p%05d", i), corev1.PodRunning))
	}
	return clusterOf(all...)
}

// TestE10Cost checks that what would take for ever ends: by its cost, and by its
// context.
func TestE10Cost(t *testing.T) {
	state := manyPods(300)
	hostile := `objects("pods").all(a, objects("pods").all(b, objects("pods").all(c, a.metadata.name + b.metadata.name != c.metadata.name)))`
	tests := []string{
		hostile,
		`objects("pods").map(a, objects("pods").map(b, objects("pods").map(c, a.metadata.name + b.metadata.name + c.metadata.name))).size() > 5`,
		`["a"].map(a, objects("pods").map(b, objects("pods").map(c, "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx" + c.metadata.name))).size() > 5`,
		`[1,2,3,4,5,6,7,8,9,10].all(a, [1,2,3,4,5,6,7,8,9,10].all(b, objects("pods").all(c, objects("pods").all(d, c.metadata.name != "" && d.metadata.name != ""))))`,
	}
	for _, text := range tests {
		c, err := Compile(Config{Table: table, Cost: 50_000}, text)
		if err != nil {
			t.Fatal(err)
		}
		_, err = c.Holds(context.Background(), state, nil)
		var flaw *Flaw
		if !errors.As(err, &flaw) || !strings.Contains(err.Error(), "too much work") {
			t.Errorf("%s: got %v, want a flaw", text, err)
		}
	}
	endsInTime(t, Config{Table: table}, hostile, state)
}

// endsInTime checks that an evaluation ends soon after its context.
func endsInTime(t *testing.T, cfg Config, text string, state State) {
	t.Helper()
	c, err := Compile(cfg, text)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	start := time.Now()
	if _, err := c.Holds(ctx, state, nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want the deadline's error", err)
	}
	if took := time.Since(start); took > time.Minute {
		t.Errorf("took %s after its deadline", took)
	}
}

// TestE10Compared checks that what is compared, searched and converted costs what
// it is long: few steps may take for ever, or all memory.
func TestE10Compared(t *testing.T) {
	state := manyPods(5000)
	const ten, same = `[1,2,3,4,5,6,7,8,9,10]`, `"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"`
	loops := func(body string) string {
		return fmt.Sprintf(`[objects("pods")].all(l, %s.all(a, %s.all(b, %s.all(c, %s.all(d, %s)))))`, ten, ten, ten, ten, body)
	}
	long := "[" + same + "]" + strings.Repeat(".map(a, a+a+a+a+a+a+a+a+a+a)", 4)
	tests := []string{
		loops(`l == l`),
		loops(`!(l != l)`),
		loops(`!("x" in l)`),
		loops(`{"l": l} == {"l": l}`),
		`[[1]]` + strings.Repeat(`.map(a, [a,a])`, 29) + `.all(x, x == x)`,
		`["xx"]` + strings.Repeat(`.map(a, a+a)`, 30) + `.size() > 0`,
		long + `.all(s, ` + ten + `.all(a, ` + ten + `.all(b, ` + ten + `.all(c, s.matches("x+x+y") || true))))`,
		long + `.map(s, ` + ten + `.map(a, ` + ten + `.map(b, ` + ten + `.map(c, bytes(s))))).size() > 0`,
	}
	for _, text := range tests {
		c, err := Compile(Config{Table: table, Cost: 500_000}, text)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
		_, err = c.Holds(ctx, state, nil)
		cancel()
		var flaw *Flaw
		if !errors.As(err, &flaw) || !strings.Contains(err.Error(), "too much work") {
			t.Errorf("%s: got %v, want a flaw", text, err)
		}
	}
	endsInTime(t, Config{Table: table, Cost: 1 << 40}, loops(`l == l`), state)
}

// TestE10Reads checks that a list that is named several times is read once, and
// that a state that cannot be read is told, not taken for something missing.
func TestE10Reads(t *testing.T) {
	state := manyPods(10)
	c, err := Compile(Config{Table: table}, `objects("pods").all(a, objects("pods").exists(b, a == b))`)
	if err != nil {
		t.Fatal(err)
	}
	if holds, err := c.Holds(context.Background(), state, nil); !holds || err != nil {
		t.Errorf("got %v, %v", holds, err)
	}
	if state.reads != 1 {
		t.Errorf("the list was read %d times", state.reads)
	}
	state.err = errors.New("no such key: the disk is gone")
	if _, err := c.Holds(context.Background(), state, nil); !errors.Is(err, state.err) {
		t.Errorf("got %v, want what reading failed with", err)
	}
	c, err = Compile(Config{Table: table}, `object("pod/p00001").spec.nodeName == "" || true`)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Holds(context.Background(), state, nil); !errors.Is(err, state.err) {
		t.Errorf("got %v, want what reading failed with", err)
	}
}

// TestE10Depends checks what expressions are found to look at.
func TestE10Depends(t *testing.T) {
	web := proto.Resource{Group: "apps", Name: "deployments"}.Key("shop", "web")
	pods := proto.Resource{Name: "pods"}
	tests := []struct {
		text string
		want Depends
	}{
		{`true`, Depends{}},
		{`object("deploy/web").spec.replicas == object("deployments", "shop", "web").status.replicas`, Depends{Objects: []proto.ObjectKey{web}}},
		{`object("node/n1").spec.unschedulable && object("pod/kube/x") == null`,
			Depends{Objects: []proto.ObjectKey{proto.Resource{Name: "nodes"}.Key("", "n1"), pods.Key("kube", "x")}}},
		{`objects("pods").all(p, objects("pods", "a").exists(q, p == q))`, Depends{Lists: []Collection{{Resource: pods}, {Resource: pods, Namespace: "a"}}}},
		{`objects("nodes", "a").size() == 0`, Depends{Lists: []Collection{{Resource: proto.Resource{Name: "nodes"}}}}},
		{`objects("namespaces").all(n, objects("pods", n.metadata.name).size() < 5)`,
			Depends{Lists: []Collection{{Resource: proto.Resource{Name: "namespaces"}}, {Resource: pods}}}},
		{`object("pods", "a", event.object.name) == null`, Depends{Event: true, Lists: []Collection{{Resource: pods, Namespace: "a"}}}},
		{`event.fact == "PodBound"`, Depends{Event: true}},
		{`after.spec.replicas == 0 && object("deploy/web") != null`, Depends{Event: true, Sides: true, Objects: []proto.ObjectKey{web}}},
		{`[1].exists(event, event == 1)`, Depends{Event: true}}, // rather too much than too little
	}
	for _, test := range tests {
		c, err := Compile(Config{Table: table, Namespace: "shop"}, test.text)
		if err != nil {
			t.Errorf("%s: %v", test.text, err)
			continue
		}
		if d := cmp.Diff(test.want, c.Depends()); d != "" {
			t.Errorf("%s: (-want +got)\n%s", test.text, d)
		}
	}
	d := Depends{Objects: []proto.ObjectKey{web}, Lists: []Collection{{Resource: pods, Namespace: "a"}}}
	if !d.Touches(web) || !d.Touches(pods.Key("a", "x")) || d.Touches(pods.Key("b", "x")) || d.Touches(web.Resource.Key("shop", "api")) {
		t.Error("what touches an expression is not what it depends on")
	}
}

func BenchmarkHolds(b *testing.B) {
	state := manyPods(10000)
	for _, text := range []string{
		`object("pod/p00001").status.phase == "Failed"`,
		`event.fact == "PodBound" && event.actor == "system:scheduler"`,
		`after.spec.replicas == 0`,
		`objects("pods").exists(p, p.status.phase == "Failed")`,
		`objects("pods").filter(p, p.status.phase == "Failed" && p.spec.nodeName == "n1").size() > 3`,
	} {
		b.Run(text, func(b *testing.B) {
			c, err := Compile(Config{Table: table}, text)
			if err != nil {
				b.Fatal(err)
			}
			what := clusterOf(web(nil)).scaled()
			b.ReportAllocs()
			for b.Loop() {
				if _, err := c.Holds(context.Background(), state, what); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
