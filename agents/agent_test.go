package agents_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	goruntime "runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"segno/agents"
	"segno/agents/disk"
	"segno/agents/network"
	"segno/agents/runtime"
	"segno/agents/runtime/simulated"
	"segno/proto"
)

// world is one agent over a simulated engine, and its control plane.
type world struct {
	t      *testing.T
	plane  *plane
	engine *simulated.Engine
	dir    string
	stop   func()

	runtime runtime.Runtime // the engine, unless something is put before it
}

func newWorld(t *testing.T, dir string) *world {
	w := &world{t: t, plane: newPlane(), engine: simulated.New(simulated.Config{}), dir: dir}
	w.start()
	return w
}

// start runs an agent; the one before it must have been stopped.
func (w *world) start() {
	w.t.Helper()
	if w.runtime == nil {
		w.runtime = w.engine
	}
	agent, err := agents.New(agents.Config{
		Node: "n1", Link: w.plane, Runtime: w.runtime, Network: network.NewSimulated(), StateDir: w.dir, Version: "v0-test",
	})
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(w.t.Context())
	done := make(chan error, 1)
	go func() { done <- agent.Run(ctx) }()
	w.stop = func() {
		cancel()
		if err := <-done; err != nil {
			w.t.Errorf("Run: %v", err)
		}
	}
}

func (w *world) settle(d time.Duration) {
	time.Sleep(d) // virtual: under synctest
	synctest.Wait()
}

func (w *world) expect(uid, want string) {
	w.t.Helper()
	if got := brief(w.plane.status(uid)); got != want {
		w.t.Errorf("pod %s: %s, want %s", uid, got, want)
	}
}

func simplePod(name string, change ...func(*corev1.Pod)) *corev1.Pod {
	p := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "default", UID: types.UID("uid-" + name)},
		Spec: corev1.PodSpec{
			NodeName:      "n1",
			RestartPolicy: corev1.RestartPolicyAlways,
			Containers:    []corev1.Container{{Name: "c", Image: "app:1", ImagePullPolicy: corev1.PullIfNotPresent}},
		},
	}
	for _, c := range change {
		c(p)
	}
	return p
}

func deleting(grace int64) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		at := metav1.NewTime(time.Now().Add(time.Duration(grace) * time.Second))
		p.DeletionTimestamp, p.DeletionGracePeriodSeconds = &at, &grace
	}
}

func TestN1RegistersAndRunsPods(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, "")
		defer w.stop()
		w.plane.apply(t, simplePod("a"), simplePod("b"))
		w.settle(time.Second)
		w.expect("uid-a", "Running ready=True c=running/0")
		w.expect("uid-b", "Running ready=True c=running/0")
		if a, b := w.plane.status("uid-a").PodIP, w.plane.status("uid-b").PodIP; a == b || a == "" {
			t.Errorf("addresses %q and %q", a, b)
		}
		info := w.plane.nodeStatus().NodeInfo
		if info.ContainerRuntimeVersion != "simulated://1" || info.OSImage != "simulated (nothing runs here)" || info.KubeletVersion != "v0-test" {
			t.Errorf("node info: %+v", info)
		}
		for _, c := range w.plane.nodeStatus().Conditions {
			want := corev1.ConditionFalse
			if c.Type == corev1.NodeReady {
				want = corev1.ConditionTrue
			}
			if c.Status != want {
				t.Errorf("condition %s is %s: %s", c.Type, c.Status, c.Message)
			}
		}
	})
}

func TestP5GracefulEndIsReportedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, "")
		defer w.stop()
		ignores := func(p *corev1.Pod) { p.Annotations = map[string]string{simulated.TermCode: "ignore"} }
		w.plane.apply(t, simplePod("a", ignores))
		w.settle(time.Second)
		w.plane.apply(t, simplePod("a", ignores, deleting(30)))
		w.settle(29 * time.Second)
		w.expect("uid-a", "Running ready=True c=running/0")
		w.settle(2 * time.Second)
		w.expect("uid-a", "Failed ready=False c=Error(137)/0")
		w.plane.with(func() {
			if fmt.Sprint(w.plane.ended) != "[uid-a]" {
				t.Errorf("ended: %v", w.plane.ended)
			}
		})
		if left, err := w.engine.List(t.Context()); err != nil || len(left) != 0 {
			t.Errorf("left at the engine: %v, %v", left, err)
		}
	})
}

func TestWithoutAControlPlanePodsGoOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, t.TempDir())
		defer func() { w.stop() }()
		crashing := func(p *corev1.Pod) {
			p.Annotations = map[string]string{simulated.RunFor: "20m", simulated.ExitCode: "1"}
		}
		w.plane.apply(t, simplePod("a"), simplePod("b", crashing))
		w.settle(time.Second)
		w.plane.setDown(true)
		w.settle(time.Hour)
		w.stop() // and the agent goes, and comes back
		w.start()
		w.settle(time.Hour)
		w.expect("uid-b", "Running ready=True c=running/0") // as it was last told
		left, err := w.engine.List(t.Context())
		if err != nil || len(left) != 2 {
			t.Fatalf("pods: %v, %v", left, err)
		}
		for _, p := range left {
			if c, _ := p.Latest("c"); c.State != "running" {
				t.Errorf("pod %s: %+v", p.Name, c)
			}
		}
		w.plane.setDown(false)
		w.settle(10 * time.Second)
		w.expect("uid-a", "Running ready=True c=running/0")
		w.expect("uid-b", "Running ready=True c=running/6")
	})
}

func TestARestartedAgentAdoptsWithoutAStir(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, t.TempDir())
		defer func() { w.stop() }()
		w.plane.apply(t, simplePod("a"))
		w.settle(time.Second)
		before, err := w.engine.List(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		ip := w.plane.status("uid-a").PodIP
		w.stop()
		w.start()
		w.settle(time.Minute)
		after, err := w.engine.List(t.Context())
		if err != nil || fmt.Sprint(before[0].Containers) != fmt.Sprint(after[0].Containers) || before[0].Sandbox.ID != after[0].Sandbox.ID {
			t.Errorf("before %+v, after %+v, %v", before, after, err)
		}
		w.expect("uid-a", "Running ready=True c=running/0")
		if got := w.plane.status("uid-a").PodIP; got != ip {
			t.Errorf("address %s became %s", ip, got)
		}
		w.plane.apply(t, simplePod("b"))
		w.settle(time.Second)
		if got := w.plane.status("uid-b").PodIP; got == ip || got == "" {
			t.Errorf("address %s is used twice", got)
		}
	})
}

func TestWhatWentAwayMeanwhileEndsGracefully(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, t.TempDir())
		defer func() { w.stop() }()
		stubborn := func(p *corev1.Pod) { p.Annotations = map[string]string{simulated.TermCode: "ignore"} }
		w.plane.apply(t, simplePod("a", stubborn), simplePod("b"))
		w.settle(time.Second)
		w.plane.setDown(true)
		w.plane.forgetSilently("uid-a")
		w.settle(time.Minute)
		w.plane.setDown(false)
		w.settle(29 * time.Second)
		if left, err := w.engine.List(t.Context()); err != nil || len(left) != 2 {
			t.Errorf("in its grace period: %v, %v", left, err)
		}
		w.settle(10 * time.Second)
		left, err := w.engine.List(t.Context())
		if err != nil || len(left) != 1 || left[0].UID != "uid-b" {
			t.Errorf("after it: %v, %v", left, err)
		}
		if len(w.plane.ended) != 0 {
			t.Errorf("an end was reported of what nobody knows: %v", w.plane.ended)
		}
	})
}

// TestAnEndThatWasRefusedIsToldAgain, or the object would be there for ever.
func TestAnEndThatWasRefusedIsToldAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, "")
		defer w.stop()
		w.plane.apply(t, simplePod("a"))
		w.settle(time.Second)
		w.plane.with(func() { w.plane.refuse = 1 })
		w.plane.apply(t, simplePod("a", deleting(1)))
		w.settle(10 * time.Minute)
		w.plane.with(func() {
			if fmt.Sprint(w.plane.ended) != "[uid-a]" {
				t.Errorf("ended: %v", w.plane.ended)
			}
		})
	})
}

func TestAForcedDeletionIsQuick(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, "")
		defer w.stop()
		w.plane.apply(t, simplePod("a", func(p *corev1.Pod) { p.Annotations = map[string]string{simulated.TermCode: "ignore"} }))
		w.settle(time.Second)
		w.plane.drop("uid-a")
		w.settle(3 * time.Second)
		if left, err := w.engine.List(t.Context()); err != nil || len(left) != 0 {
			t.Errorf("left: %v, %v", left, err)
		}
	})
}

// TestALostWantIsFound: the node misses one; the next shows the gap, and
// without a next one the heartbeat does.
func TestALostWantIsFound(t *testing.T) {
	for name, next := range map[string]bool{"ByTheNext": true, "ByTheHeartbeat": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, "")
				defer w.stop()
				w.settle(time.Second)
				before := w.plane.syncs
				w.plane.with(func() { w.plane.lose = true })
				w.plane.apply(t, simplePod("a"))
				w.plane.with(func() { w.plane.lose = false })
				if next {
					w.plane.apply(t, simplePod("b"))
					w.settle(time.Second)
				} else {
					w.settle(25 * time.Second)
				}
				w.expect("uid-a", "Running ready=True c=running/0")
				if n := w.plane.syncs - before; n != 1 {
					t.Errorf("%d syncs for one loss", n)
				}
			})
		})
	}
}

// TestAControlPlaneThatCountsAnew: it came back from a backup. Its counters
// and sequences are lower, and all that it says would look old.
func TestAControlPlaneThatCountsAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, "")
		defer w.stop()
		w.plane.with(func() { w.plane.counter = 1000 })
		w.plane.apply(t, simplePod("a"))
		w.settle(15 * time.Second)
		w.plane.with(func() {
			w.plane.counter = 10
			a := w.plane.pods["uid-a"]
			a.Seq = 5
			w.plane.pods["uid-a"] = a
		})
		w.plane.apply(t, simplePod("b"))
		w.settle(30 * time.Second)
		w.expect("uid-a", "Running ready=True c=running/0")
		w.expect("uid-b", "Running ready=True c=running/0")
		w.plane.apply(t, simplePod("a", deleting(1)))
		w.settle(5 * time.Second)
		w.plane.with(func() {
			if fmt.Sprint(w.plane.ended) != "[uid-a]" {
				t.Errorf("ended: %v", w.plane.ended)
			}
		})
		w.plane.apply(t, simplePod("d"))
		w.settle(time.Second)
		w.expect("uid-d", "Running ready=True c=running/0")
	})
}

// TestASecondAgentTouchesNothing of the first one's folder.
func TestASecondAgentTouchesNothing(t *testing.T) {
	dir := t.TempDir()
	cfg := agents.Config{
		Node: "n1", Link: newPlane(), Runtime: simulated.New(simulated.Config{}), Network: network.NewSimulated(), StateDir: dir,
	}
	first, err := agents.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	inFlight := filepath.Join(dir, "pods", "uid-a.new")
	if err := os.WriteFile(inFlight, []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := agents.New(cfg); !errors.Is(err, disk.ErrLocked) {
		t.Errorf("a second agent: %v", err)
	}
	if _, err := os.Stat(inFlight); err != nil {
		t.Error(err)
	}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	if err := first.Run(over); err != nil {
		t.Error(err)
	}
	third, err := agents.New(cfg)
	if err != nil {
		t.Fatalf("after the first one has ended: %v", err)
	}
	if err := third.Run(over); err != nil {
		t.Error(err)
	}
}

// hanging is an engine that takes every call, and answers none about itself.
type hanging struct{ *simulated.Engine }

func (hanging) Info(ctx context.Context) (runtime.Info, error) {
	<-ctx.Done()
	return runtime.Info{}, ctx.Err()
}

func TestAnEngineThatHangsDoesNotHoldUpTheStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		_, err := agents.New(agents.Config{
			Node: "n1", Link: newPlane(), Runtime: hanging{simulated.New(simulated.Config{})}, Network: network.NewSimulated(),
			Machine: agents.SimulatedMachine{},
		})
		if took := time.Since(begun); err != nil || took > 10*time.Second {
			t.Errorf("%v after %s", err, took)
		}
	})
}

// ending is a listener that is closed before its time, with the word of one
// whose context has ended.
type ending struct{ net.Listener }

func (ending) Accept() (net.Conn, error) { return nil, context.Canceled }
func (ending) Close() error              { return nil }

// TestAPartThatEndsByItselfIsAnError, whatever it says.
func TestAPartThatEndsByItselfIsAnError(t *testing.T) {
	agent, err := agents.New(agents.Config{
		Node: "n1", Link: newPlane(), Runtime: simulated.New(simulated.Config{}), Network: network.NewSimulated(), Listener: ending{},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := agent.Run(t.Context()); !errors.Is(err, context.Canceled) {
		t.Errorf("Run: %v", err)
	}
}

// TestAFullDiskHoldsUpNothing: what cannot be kept is done all the same.
func TestAFullDiskHoldsUpNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, t.TempDir())
		defer func() { w.stop() }()
		w.plane.apply(t, simplePod("a"))
		w.settle(time.Second)
		before := w.plane.syncs
		for _, name := range []string{"pods/uid-a", "pods/uid-b", "node/node"} { // nothing can be written there
			if err := os.Mkdir(filepath.Join(w.dir, name+".new"), 0o700); err != nil {
				t.Fatal(err)
			}
		}
		w.plane.apply(t, simplePod("a", deleting(1)), simplePod("b"))
		w.settle(5 * time.Second)
		w.expect("uid-b", "Running ready=True c=running/0")
		w.plane.with(func() {
			if fmt.Sprint(w.plane.ended) != "[uid-a]" {
				t.Errorf("ended: %v", w.plane.ended)
			}
			if w.plane.syncs != before {
				t.Errorf("%d syncs, before %d", w.plane.syncs, before)
			}
		})
	})
}

// TestWhatCannotBeReadHoldsUpNothing, and stays as it is.
func TestWhatCannotBeReadHoldsUpNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, t.TempDir())
		defer func() { w.stop() }()
		w.plane.apply(t, simplePod("a"), simplePod("b"))
		w.settle(time.Second)
		w.plane.with(func() {
			for _, key := range []proto.ObjectKey{proto.Resource{Name: "pods"}.Key("default", "a"), proto.Resource{Name: "nodes"}.Key("", "n1")} {
				broken := proto.WantPod{Key: key, UID: "uid-" + key.Name, Seq: 100, Body: []byte("\xff not an object")}
				w.plane.pods[broken.UID] = broken
				w.plane.relay(broken)
			}
		})
		w.plane.apply(t, simplePod("b", deleting(1)), simplePod("d"))
		w.settle(10 * time.Minute) // full lists, too
		for range 2 {
			w.expect("uid-a", "Running ready=True c=running/0")
			w.expect("uid-d", "Running ready=True c=running/0")
			left, err := w.engine.List(t.Context())
			if err != nil || len(left) != 2 {
				t.Errorf("at the engine: %v, %v", left, err)
			}
			w.stop() // and an agent that knows nothing spares what it cannot read
			w.dir = t.TempDir()
			w.start()
			w.settle(10 * time.Minute)
		}
	})
}

func TestN2TheEngineGoesAndComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, "")
		defer w.stop()
		w.plane.apply(t, simplePod("a"))
		w.settle(time.Second)
		w.engine.SetDown(true)
		w.settle(time.Second)
		if c := w.ready(); c.Status != corev1.ConditionFalse || c.Reason != "ContainerRuntimeDown" {
			t.Errorf("%+v", c)
		}
		w.plane.apply(t, simplePod("b"))
		w.settle(time.Minute)
		w.expect("uid-a", "Running ready=True c=running/0")
		w.engine.SetDown(false)
		w.settle(time.Minute)
		if c := w.ready(); c.Status != corev1.ConditionTrue {
			t.Errorf("%+v", c)
		}
		w.expect("uid-b", "Running ready=True c=running/0")
		if w.plane.beats < 10 {
			t.Errorf("%d heartbeats in two minutes", w.plane.beats)
		}
	})
}

// TestN2ARegistrationDoesNotUndoANewerReport that overtook it on the way.
func TestN2ARegistrationDoesNotUndoANewerReport(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, "")
		defer w.stop()
		w.settle(time.Second)
		w.plane.with(func() { w.plane.slow = 2 * time.Second })
		w.settle(5 * time.Minute)
		w.engine.SetDown(true) // while the node registers once more
		w.settle(time.Minute)
		if c := w.ready(); c.Status != corev1.ConditionFalse {
			t.Errorf("%+v", c)
		}
	})
}

// TestN3AnotherCIDRWaitsForTheFormerPods: a node that is deleted and comes
// back may be given one. Two pods of a cluster must not have one address.
func TestN3AnotherCIDRWaitsForTheFormerPods(t *testing.T) {
	for name, restart := range map[string]bool{"WhileItRuns": false, "WithANewAgent": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, t.TempDir())
				defer func() { w.stop() }()
				w.plane.apply(t, simplePod("a"))
				w.settle(time.Second)
				w.plane.with(func() { w.plane.node, w.plane.cidr = nil, "10.9.0.0/24" })
				if restart {
					w.stop()
					w.start()
				}
				w.settle(6 * time.Minute) // it registers again
				w.plane.apply(t, simplePod("b"))
				w.settle(time.Second)
				c := w.ready()
				if c.Status != corev1.ConditionFalse || c.Reason != "NetworkNotReady" || !strings.Contains(c.Message, "10.9.0.0/24: pod") {
					t.Errorf("%+v", c)
				}
				w.expect("uid-b", "Pending ready=False c=ContainerCreating/0")
				w.expect("uid-a", "Running ready=True c=running/0")
				w.plane.apply(t, simplePod("a", deleting(1)))
				w.settle(time.Minute)
				if c := w.ready(); c.Status != corev1.ConditionTrue {
					t.Errorf("%+v", c)
				}
				w.expect("uid-b", "Running ready=True c=running/0")
				if ip := w.plane.status("uid-b").PodIP; !strings.HasPrefix(ip, "10.9.0.") {
					t.Errorf("address %s", ip)
				}
			})
		})
	}
}

// mute is an engine that sends events and says nothing about itself.
type mute struct {
	*simulated.Engine
	down  atomic.Bool
	asked atomic.Int64
}

func (m *mute) Info(ctx context.Context) (runtime.Info, error) {
	m.asked.Add(1)
	if m.down.Load() {
		return runtime.Info{}, fmt.Errorf("info: %w", runtime.ErrDown)
	}
	return m.Engine.Info(ctx)
}

// TestN2AnEngineThatOnlySendsEventsIsDown: the node does not become ready in
// between, and it asks less and less often.
func TestN2AnEngineThatOnlySendsEventsIsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &mute{Engine: simulated.New(simulated.Config{})}
		w := &world{t: t, plane: newPlane(), engine: m.Engine, runtime: m}
		w.start()
		defer w.stop()
		w.settle(time.Second)
		m.down.Store(true)
		m.SetDown(true)
		m.SetDown(false)
		w.settle(time.Second)
		before, lost := m.asked.Load(), w.ready()
		if lost.Status != corev1.ConditionFalse || lost.Reason != "ContainerRuntimeDown" {
			t.Errorf("%+v", lost)
		}
		for range 60 {
			w.settle(time.Second)
			if c := w.ready(); c.Status != corev1.ConditionFalse || c.LastTransitionTime != lost.LastTransitionTime {
				t.Fatalf("%+v, before %+v", c, lost)
			}
		}
		if n := m.asked.Load() - before; n > 30 {
			t.Errorf("it was asked %d times in a minute", n)
		}
		m.down.Store(false)
		w.settle(10 * time.Second)
		if c := w.ready(); c.Status != corev1.ConditionTrue {
			t.Errorf("%+v", c)
		}
	})
}

func (w *world) ready() corev1.NodeCondition {
	for _, c := range w.plane.nodeStatus().Conditions {
		if c.Type == corev1.NodeReady {
			return c
		}
	}
	return corev1.NodeCondition{}
}

// TestN3PodsWaitForTheCIDR: until the control plane has assigned one, the node
// is not ready and says why.
func TestN3PodsWaitForTheCIDR(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, plane: newPlane(), engine: simulated.New(simulated.Config{})}
		w.plane.cidr = ""
		w.start()
		defer w.stop()
		w.plane.apply(t, simplePod("a"))
		w.settle(time.Second)
		if c := w.ready(); c.Status != corev1.ConditionFalse || c.Reason != "NetworkNotReady" {
			t.Errorf("%+v", c)
		}
		w.expect("uid-a", "Pending ready=False c=ContainerCreating/0")
		if m := w.plane.status("uid-a").ContainerStatuses[0].State.Waiting.Message; m != "address of pod a: the node has no pod CIDR yet" {
			t.Errorf("message: %s", m)
		}
		w.plane.with(func() { w.plane.cidr = "10.9.0.0/24" })
		w.settle(5 * time.Second)
		w.expect("uid-a", "Running ready=True c=running/0")
		if c := w.ready(); c.Status != corev1.ConditionTrue {
			t.Errorf("%+v", c)
		}
	})
}

func TestADeletedNodeRegistersAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, "")
		defer w.stop()
		w.settle(time.Second)
		w.plane.with(func() { w.plane.node = nil })
		w.settle(6 * time.Minute)
		w.plane.with(func() {
			if w.plane.node == nil {
				t.Error("the node did not come back")
			}
		})
	})
}

// TestTheStatusIsToldAgainEveryFiveMinutes, though nothing changed.
func TestTheStatusIsToldAgainEveryFiveMinutes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, "")
		defer w.stop()
		w.settle(time.Second)
		first := w.ready()
		w.settle(6 * time.Minute)
		second := w.ready()
		if second.LastHeartbeatTime.Sub(first.LastHeartbeatTime.Time) < 4*time.Minute || second.LastTransitionTime != first.LastTransitionTime {
			t.Errorf("first %+v, then %+v", first, second)
		}
	})
}

func TestAThousandPodsOnAHundredNodes(t *testing.T) {
	const nodes, each = 100, 10
	synctest.Test(t, func(t *testing.T) {
		var worlds []*world
		for range nodes {
			worlds = append(worlds, newWorld(t, ""))
		}
		for _, w := range worlds {
			for i := range each {
				w.plane.apply(t, simplePod(fmt.Sprint("p", i)))
			}
		}
		time.Sleep(10 * time.Second)
		synctest.Wait()
		reports := 0
		for _, w := range worlds {
			for i := range each {
				w.expect(fmt.Sprint("uid-p", i), "Running ready=True c=running/0")
			}
			reports += len(w.plane.reports)
			w.stop()
		}
		if reports > nodes*each*2 {
			t.Errorf("%d reports for %d pods", reports, nodes*each)
		}
	})
}

// BenchmarkThousandPods is what agents alone cost, from the first Want to the
// last acknowledged status, on 100 simulated nodes.
func BenchmarkThousandPods(b *testing.B) {
	const nodes, each = 100, 10
	for b.Loop() {
		var planes []*plane
		ctx, cancel := context.WithCancel(b.Context())
		var running sync.WaitGroup
		for range nodes {
			p := newPlane()
			for i := range each {
				pod := simplePod(fmt.Sprint("p", i))
				body, err := pod.Marshal()
				if err != nil {
					b.Fatal(err)
				}
				p.pods[string(pod.UID)] = proto.WantPod{Key: proto.Resource{Name: "pods"}.Key("default", pod.Name), UID: string(pod.UID), Body: body}
			}
			agent, err := agents.New(agents.Config{Node: "n1", Link: p, Runtime: simulated.New(simulated.Config{}), Network: network.NewSimulated()})
			if err != nil {
				b.Fatal(err)
			}
			planes = append(planes, p)
			running.Go(func() { _ = agent.Run(ctx) })
		}
		for _, p := range planes {
			for ready := 0; ready < each; {
				ready = 0
				for i := range each {
					if p.status(fmt.Sprint("uid-p", i)).Phase == corev1.PodRunning {
						ready++
					}
				}
				goruntime.Gosched()
			}
		}
		cancel()
		running.Wait()
	}
}
