package pod_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"

	"segno/agents/runtime"
	"segno/agents/runtime/simulated"
)

// scriptedExec is a simulated engine whose containers answer exec as the test says.
type scriptedExec struct {
	*simulated.Engine
	mu    sync.Mutex
	codes map[string]int
	asked map[string]int
}

func (e *scriptedExec) Exec(_ context.Context, _ runtime.Ref, exec runtime.Exec) (int, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.asked[exec.Command[0]]++
	return e.codes[exec.Command[0]], nil
}

func (e *scriptedExec) answer(command string, code int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.codes[command] = code
}

func (e *scriptedExec) count(command string) int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.asked[command]
}

func playProbes(t *testing.T) (*stage, *scriptedExec) {
	e := &scriptedExec{Engine: simulated.New(simulated.Config{}), codes: map[string]int{}, asked: map[string]int{}}
	s := &stage{t: t, engine: e.Engine, runtime: e, begun: time.Now(), status: map[string]corev1.PodStatus{}}
	s.start()
	return s, e
}

func asks(command string, change ...func(*corev1.Probe)) *corev1.Probe {
	p := &corev1.Probe{ProbeHandler: corev1.ProbeHandler{Exec: &corev1.ExecAction{Command: []string{command}}}}
	for _, c := range change {
		c(p)
	}
	return p
}

func probed(startup, readiness, liveness *corev1.Probe) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		c := &p.Spec.Containers[0]
		c.StartupProbe, c.ReadinessProbe, c.LivenessProbe = startup, readiness, liveness
	}
}

func TestP3Readiness(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, e := playProbes(t)
		defer func() { s.stop() }()
		e.answer("ready", 1)
		p := newPod(probed(nil, asks("ready", func(p *corev1.Probe) { p.InitialDelaySeconds, p.PeriodSeconds, p.SuccessThreshold = 5, 2, 2 }), nil))
		s.want(p)
		s.pass(time.Minute)
		if got := brief(s.is("u")); got != "Running c=running/0" {
			t.Errorf("%s", got)
		}
		s.skip()
		e.answer("ready", 0)
		s.pass(10 * time.Second)
		e.answer("ready", 1)
		s.pass(10 * time.Second)
		s.expect(`
  1m3s   PodReady Running ready c=running/0
 1m15s   PodUnready Running c=running/0
`)
		if e.count("ready") > 39 {
			t.Errorf("asked %d times", e.count("ready"))
		}
	})
}

func TestP3Liveness(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, e := playProbes(t)
		defer func() { s.stop() }()
		s.want(newPod(probed(nil, nil, asks("alive"))))
		s.pass(time.Minute)
		s.skip()
		e.answer("alive", 1)
		s.pass(31 * time.Second)
		e.answer("alive", 0)
		s.pass(time.Minute)
		s.expectNotes(`
    0s Pulled Container image "app:1" already present on machine
    0s Created Created container: c
    0s Started Started container c
 1m10s Unhealthy Liveness probe failed: exit status 1: 
 1m20s Unhealthy Liveness probe failed: exit status 1: 
 1m30s Unhealthy Liveness probe failed: exit status 1: 
 1m30s Killing Container c failed liveness probe, will be restarted
 1m30s Pulled Container image "app:1" already present on machine
 1m30s Created Created container: c
 1m30s Started Started container c
 1m30s Unhealthy Liveness probe failed: exit status 1: 
`)
		s.expect(`
 1m30s stop container c/0
 1m30s   ContainerDied Running c=Error:143/0
 1m30s get image c/1
 1m30s create container c/1
 1m30s start container c/1
 1m30s   ContainerStarted Running ready c=running/1 (last Error:143)
`)
	})
}

func TestP3StartupHoldsTheOthersBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, e := playProbes(t)
		defer func() { s.stop() }()
		e.answer("up", 1)
		e.answer("alive", 1)
		s.want(newPod(probed(asks("up", func(p *corev1.Probe) { p.FailureThreshold = 30 }), asks("ready"), asks("alive"))))
		s.pass(2 * time.Minute)
		if started := s.is("u").ContainerStatuses[0].Started; *started || e.count("alive")+e.count("ready") != 0 {
			t.Errorf("started %t, asked for %d", *started, e.count("alive"))
		}
		e.answer("up", 0)
		e.answer("alive", 0)
		s.pass(20 * time.Second)
		if got := s.is("u").ContainerStatuses[0]; !*got.Started || !got.Ready {
			t.Errorf("%+v", got)
		}
		before := e.count("up")
		s.pass(time.Minute)
		if e.count("up") != before {
			t.Error("the startup probe went on")
		}
	})
}

func TestP3AStartupThatNeverComesRestarts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, e := playProbes(t)
		defer func() { s.stop() }()
		e.answer("up", 1)
		s.want(newPod(probed(asks("up", func(p *corev1.Probe) { p.FailureThreshold, p.PeriodSeconds = 2, 5 }), nil, nil)))
		s.pass(8 * time.Second)
		if got := brief(s.is("u")); got != "Running c=running/1 (last Error:143)" {
			t.Errorf("%s", got)
		}
	})
}

// TestP3ARestartedAgentKeepsWhatWasFound: a ready pod does not become unready
// because its agent looks at it for the first time.
func TestP3ARestartedAgentKeepsWhatWasFound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := playProbes(t)
		defer func() { s.stop() }()
		p := newPod(probed(asks("up"), asks("ready"), nil))
		s.want(p)
		s.pass(time.Minute)
		s.stop()
		s.skip()
		again := p.DeepCopy()
		again.Status = s.is("u")
		s.start()
		s.want(again)
		s.pass(time.Minute)
		s.expect(`
  1m0s attach network
`)
	})
}
