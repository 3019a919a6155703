package agents_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"segno/agents"
	"segno/agents/network"
	"segno/agents/runtime/simulated"
)

// world is one agent over a simulated engine, and its control plane.
type world struct {
	t      *testing.T
	plane  *plane
	engine *simulated.Engine
	dir    string
	stop   func()
}

func newWorld(t *testing.T, dir string) *world {
	w := &world{t: t, plane: newPlane(), engine: simulated.New(simulated.Config{}), dir: dir}
	w.start()
	return w
}

// start runs an agent; the one before it must have been stopped.
func (w *world) start() {
	w.t.Helper()
	agent, err := agents.New(agents.Config{
		Node: "n1", Link: w.plane, Runtime: w.engine, Network: network.NewSimulated(), StateDir: w.dir, Version: "v0-test",
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
