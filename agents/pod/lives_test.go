package pod_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"segno/agents/network"
	"segno/agents/pod"

	"segno/agents/runtime"
	"segno/agents/runtime/simulated"
	"segno/proto"
)

// stage plays lives of pods on virtual time and writes down what happens.
type stage struct {
	t       *testing.T
	engine  *simulated.Engine
	runtime runtime.Runtime // the engine, unless something is put before it
	keeper  *pod.Keeper
	begun   time.Time
	stop    func()
	seq     proto.Seq

	concurrency int
	isolate     pod.Isolate

	mu     sync.Mutex
	lines  []string
	status map[string]corev1.PodStatus
	forgot []string
	notes  []string
}

func play(t *testing.T, cfg simulated.Config) *stage {
	engine := simulated.New(cfg)
	s := &stage{t: t, engine: engine, runtime: engine, begun: time.Now(), status: map[string]corev1.PodStatus{}}
	s.start()
	return s
}

// start runs a keeper; an earlier one must have been stopped.
func (s *stage) start() {
	s.t.Helper()
	net := network.NewSimulated()
	if err := net.Setup(s.t.Context(), []netip.Prefix{netip.MustParsePrefix("10.0.0.0/24")}, nil); err != nil {
		s.t.Fatal(err)
	}
	keeper, err := pod.New(pod.Config{
		Node: pod.Node{Name: "n1", Address: netip.MustParseAddr("192.0.2.1"), Memory: 1 << 30}, Runtime: s.runtime, Network: net,
		Tell: s.tell, Observe: s.observe, VolumeDir: filepath.Join(s.t.TempDir(), "volumes"),
		Forget: s.forget, Note: s.heard, Concurrency: s.concurrency, Isolate: s.isolate,
	})
	if err != nil {
		s.t.Fatal(err)
	}
	s.keeper = keeper
	ctx, cancel := context.WithCancel(s.t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = keeper.Run(ctx)
	}()
	go func() { _ = s.engine.Watch(ctx, keeper.Wake) }()
	s.stop = func() {
		cancel()
		<-done
	}
	synctest.Wait() // for its first look around, after which what failed is retried at once
}

func (s *stage) forget(uid string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forgot = append(s.forgot, uid)
}

// heard writes notes down apart from what is done.
func (s *stage) heard(n proto.NodeNote) {
	s.mu.Lock()
	defer s.mu.Unlock()
	at := time.Unix(0, n.First).Sub(s.begun).Round(time.Second)
	s.notes = append(s.notes, fmt.Sprintf("%6s %s %s", at, n.Reason, n.Message))
}

// expectNotes is expect, of notes.
func (s *stage) expectNotes(want string) {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	got := strings.Join(s.notes, "\n")
	s.notes = nil
	if got != strings.Trim(want, "\n") {
		s.t.Errorf("got:\n%s\n\nwant:\n%s", got, strings.Trim(want, "\n"))
	}
}

func (s *stage) note(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lines = append(s.lines, fmt.Sprintf("%6s ", time.Since(s.begun).Round(time.Second))+fmt.Sprintf(format, args...))
}

func (s *stage) observe(_ string, action pod.Action, err error) {
	if err != nil {
		s.note("%s: %v", action, err)
		return
	}
	s.note("%s", action)
}

func (s *stage) tell(item proto.ReportItem) {
	var p corev1.Pod
	if err := p.Unmarshal(item.Status); err != nil {
		s.t.Errorf("status: %v", err)
	}
	s.mu.Lock()
	s.status[item.UID] = p.Status
	s.mu.Unlock()
	end := ""
	if item.Ended {
		end = " ENDED"
	}
	s.note("  %s %s%s", item.Reason, brief(p.Status), end)
}

// skip forgets what happened so far.
func (s *stage) skip() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lines = nil
}

func (s *stage) is(uid string) corev1.PodStatus {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.status[uid]
}

func (s *stage) want(p *corev1.Pod) {
	s.seq++
	s.keeper.Want(pod.Want{Pod: p, Seq: s.seq})
}

func (s *stage) pass(d time.Duration) {
	time.Sleep(d) // virtual
	synctest.Wait()
}

func (s *stage) expect(want string) {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	got := strings.Join(s.lines, "\n")
	s.lines = nil
	if got != strings.Trim(want, "\n") {
		s.t.Errorf("got:\n%s\n\nwant:\n%s", got, strings.Trim(want, "\n"))
	}
}

func brief(s corev1.PodStatus) string {
	parts := []string{string(s.Phase)}
	for _, c := range s.Conditions {
		if c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue {
			parts = append(parts, "ready")
		}
	}
	for _, list := range [][]corev1.ContainerStatus{s.InitContainerStatuses, s.ContainerStatuses} {
		for _, c := range list {
			parts = append(parts, fmt.Sprintf("%s=%s/%d", c.Name, state(c.State), c.RestartCount))
			if last := state(c.LastTerminationState); last != "?" {
				parts = append(parts, "(last "+last+")")
			}
		}
	}
	return strings.Join(parts, " ")
}

func state(s corev1.ContainerState) string {
	switch {
	case s.Running != nil:
		return "running"
	case s.Waiting != nil:
		return s.Waiting.Reason
	case s.Terminated != nil:
		return fmt.Sprintf("%s:%d", s.Terminated.Reason, s.Terminated.ExitCode)
	}
	return "?"
}

func newPod(change ...func(*corev1.Pod)) *corev1.Pod {
	p := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "p", Namespace: "default", UID: types.UID("u"), Annotations: map[string]string{}},
		Spec: corev1.PodSpec{
			RestartPolicy: corev1.RestartPolicyAlways,
			Containers:    []corev1.Container{{Name: "c", Image: "app:1", ImagePullPolicy: corev1.PullIfNotPresent}},
		},
	}
	for _, f := range change {
		f(p)
	}
	return p
}

func scripted(pairs ...string) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		for i := 0; i < len(pairs); i += 2 {
			p.Annotations[pairs[i]] = pairs[i+1]
		}
	}
}

func policy(policy corev1.RestartPolicy) func(*corev1.Pod) {
	return func(p *corev1.Pod) { p.Spec.RestartPolicy = policy }
}

func deleted(grace int64) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		at := metav1.NewTime(time.Now().Add(time.Duration(grace) * time.Second))
		p.DeletionTimestamp, p.DeletionGracePeriodSeconds = &at, &grace
	}
}

func inits(names ...string) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		for _, name := range names {
			c := corev1.Container{Name: name, Image: "tool:1"}
			if side, ok := strings.CutSuffix(name, "-side"); ok {
				always := corev1.ContainerRestartPolicyAlways
				c.Name, c.RestartPolicy = side, &always
			}
			p.Spec.InitContainers = append(p.Spec.InitContainers, c)
		}
	}
}

func TestP2ALifeFromStartToEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := play(t, simulated.Config{})
		defer func() { s.stop() }()
		s.want(newPod())
		s.pass(time.Hour)
		s.expect(`
    0s   PodAccepted Pending c=ContainerCreating/0
    0s create sandbox 0
    0s attach network
    0s get image c/0
    0s create container c/0
    0s start container c/0
    0s   ContainerStarted Running ready c=running/0
`)
		s.want(newPod(deleted(30)))
		s.pass(time.Minute)
		s.expect(`
1h0m0s stop container c/0
1h0m0s remove container c/0
1h0m0s remove sandbox
1h0m0s release network and volumes
1h0m0s   PodEnded Failed c=Error:143/0 ENDED
1h0m0s end
`)
	})
}

// TestP4BackOff: the first crash is answered at once, then 10 s doubled up to
// five minutes; ten minutes of running make it forgotten.
func TestP4BackOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := play(t, simulated.Config{})
		defer func() { s.stop() }()
		s.want(newPod(scripted(simulated.ExitCode, "1")))
		s.pass(20 * time.Minute)
		s.mu.Lock()
		var starts []string
		for _, line := range s.lines {
			if at, _, ok := strings.Cut(line, " start container"); ok {
				starts = append(starts, strings.TrimSpace(at))
			}
		}
		s.lines = nil
		s.mu.Unlock()
		if got, want := strings.Join(starts, " "), "0s 0s 10s 30s 1m10s 2m30s 5m10s 10m10s 15m10s"; got != want {
			t.Errorf("starts at %s, want %s", got, want)
		}
	})
}

func TestP4TenMinutesOfRunningResetTheBackOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := play(t, simulated.Config{})
		defer func() { s.stop() }()
		s.want(newPod())
		for range 3 {
			s.pass(time.Minute)
			s.crash()
		}
		s.skip()
		s.pass(11 * time.Minute)
		s.crash() // ran ten minutes and more: as a first crash
		s.pass(9 * time.Minute)
		s.crash() // not so long: the second in a row
		s.pass(time.Minute)
		s.expect(`
 3m20s get image c/3
 3m20s create container c/3
 3m20s start container c/3
 3m20s   ContainerStarted Running ready c=running/3 (last Error:2)
 3m20s remove container c/1
 14m0s   ContainerDied Running c=Error:2/3 (last Error:2)
 14m0s get image c/4
 14m0s create container c/4
 14m0s start container c/4
 14m0s   ContainerStarted Running ready c=running/4 (last Error:2)
 14m0s remove container c/2
 23m0s   ContainerDied Running c=CrashLoopBackOff/4 (last Error:2)
23m10s get image c/5
23m10s create container c/5
23m10s start container c/5
23m10s   ContainerStarted Running ready c=running/5 (last Error:2)
23m10s remove container c/3
`)
	})
}

// crash ends the running attempt from outside.
func (s *stage) crash() {
	have, err := s.engine.Inspect(s.t.Context(), "u")
	if err != nil {
		s.t.Fatal(err)
	}
	latest, _ := have.Latest("c")
	s.engine.Kill(latest.Ref, 2)
	synctest.Wait()
}

func TestP4RestartPolicies(t *testing.T) {
	for _, c := range []struct {
		policy corev1.RestartPolicy
		code   string
		want   string
	}{
		{corev1.RestartPolicyNever, "0", "Succeeded c=Completed:0/0"},
		{corev1.RestartPolicyNever, "3", "Failed c=Error:3/0"},
		{corev1.RestartPolicyOnFailure, "0", "Succeeded c=Completed:0/0"},
		{corev1.RestartPolicyOnFailure, "3", "Running c=CrashLoopBackOff/5 (last Error:3)"},
		{corev1.RestartPolicyAlways, "0", "Running c=CrashLoopBackOff/5 (last Completed:0)"},
	} {
		t.Run(string(c.policy)+c.code, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := play(t, simulated.Config{})
				defer func() { s.stop() }()
				s.want(newPod(policy(c.policy), scripted(simulated.ExitCode, c.code)))
				s.pass(3 * time.Minute)
				if got := brief(s.is("u")); got != c.want {
					t.Errorf("%s, want %s", got, c.want)
				}
			})
		})
	}
}

// TestP2AFinishedPodKeepsItsLogsAndGivesBackTheRest: what ended by itself is
// never started again, also not by a new agent.
func TestP2AFinishedPodKeepsItsLogsAndGivesBackTheRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := play(t, simulated.Config{})
		defer func() { s.stop() }()
		done := newPod(policy(corev1.RestartPolicyNever), scripted(simulated.RunFor, "5s"))
		s.want(done)
		s.pass(time.Minute)
		s.expect(`
    0s   PodAccepted Pending c=ContainerCreating/0
    0s create sandbox 0
    0s attach network
    0s get image c/0
    0s create container c/0
    0s start container c/0
    0s   ContainerStarted Running ready c=running/0
    5s   PodSucceeded Succeeded c=Completed:0/0
    5s remove sandbox
    5s release network and volumes
`)
		s.stop()
		s.start()
		s.want(done)
		s.pass(time.Minute)
		s.expect(`
  1m0s   PodSucceeded Succeeded c=Completed:0/0
  1m0s release network and volumes
`)
		s.want(newPod(policy(corev1.RestartPolicyNever), deleted(30)))
		s.pass(time.Minute)
		s.expect(`
  2m0s remove container c/0
  2m0s   PodEnded Succeeded c=Completed:0/0 ENDED
  2m0s end
`)
	})
}

func TestP7ImageThatCannotBeHad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var missing atomic.Bool
		missing.Store(true)
		s := play(t, simulated.Config{NoImage: func(string) error {
			if missing.Load() {
				return errors.New("manifest for app:1 not found")
			}
			return nil
		}})
		defer func() { s.stop() }()
		s.want(newPod())
		s.pass(40 * time.Second)
		s.expect(`
    0s   PodAccepted Pending c=ContainerCreating/0
    0s create sandbox 0
    0s attach network
    0s get image c/0
    0s pull image c/0: manifest for app:1 not found
    0s   ContainerWaiting Pending c=ErrImagePull/0
    2s   ContainerWaiting Pending c=ImagePullBackOff/0
   10s get image c/0
   10s pull image c/0: manifest for app:1 not found
   10s   ContainerWaiting Pending c=ErrImagePull/0
   12s   ContainerWaiting Pending c=ImagePullBackOff/0
   30s get image c/0
   30s pull image c/0: manifest for app:1 not found
   30s   ContainerWaiting Pending c=ErrImagePull/0
   32s   ContainerWaiting Pending c=ImagePullBackOff/0
`)
		if w := s.is("u").ContainerStatuses[0].State.Waiting; w.Message != `Back-off pulling image "app:1": ErrImagePull: manifest for app:1 not found` {
			t.Errorf("message: %s", w.Message)
		}
		missing.Store(false)
		s.pass(time.Minute)
		s.expect(`
 1m10s get image c/0
 1m10s create container c/0
 1m10s start container c/0
 1m10s   ContainerStarted Running ready c=running/0
`)
	})
}

// TestP7AHangingPullHoldsUpNothing: neither other pods, though only one is
// worked on at a time, nor the end or another image of its own.
func TestP7AHangingPullHoldsUpNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		engine := simulated.New(simulated.Config{PullLatency: 1000 * time.Hour})
		s := &stage{t: t, engine: engine, runtime: engine, begun: time.Now(), status: map[string]corev1.PodStatus{}, concurrency: 1}
		s.start()
		defer func() { s.stop() }()
		pulls := func(p *corev1.Pod) { p.Spec.Containers[0].ImagePullPolicy = corev1.PullAlways }
		s.want(newPod(pulls))
		s.want(newPod(pulls, func(p *corev1.Pod) { p.UID, p.Name = "v", "q" }))
		s.want(newPod(func(p *corev1.Pod) { p.UID, p.Name = "w", "r" }))
		s.pass(time.Minute)
		if got := brief(s.is("w")); got != "Running ready c=running/0" {
			t.Errorf("another pod: %s", got)
		}
		s.skip()
		s.want(newPod(pulls, deleted(30)))
		s.pass(time.Second)
		s.expect(`
  1m0s pull image c/0: no longer wanted
  1m0s remove sandbox
  1m0s release network and volumes
  1m0s   PodEnded Pending c=ContainerCreating/0 ENDED
  1m0s end
`)
		s.want(newPod(func(p *corev1.Pod) { p.UID, p.Name, p.Spec.Containers[0].Image = "v", "q", "app:2" }))
		s.pass(time.Second)
		s.expect(`
  1m1s pull image c/0: no longer wanted
  1m1s get image c/0
  1m1s create container c/0
  1m1s start container c/0
  1m1s   ContainerStarted Running ready c=running/0
`)
		for _, n := range s.notes {
			if strings.Contains(n, "Failed") {
				t.Errorf("a person is told: %s", n)
			}
		}
	})
}

func TestP6InitContainersRunInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := play(t, simulated.Config{})
		defer func() { s.stop() }()
		s.want(newPod(inits("one", "two"), scripted("one."+simulated.RunFor, "5s", "two."+simulated.RunFor, "7s")))
		s.pass(time.Minute)
		s.expect(`
    0s   PodAccepted Pending one=ContainerCreating/0 two=ContainerCreating/0 c=PodInitializing/0
    0s create sandbox 0
    0s attach network
    0s get image one/0
    0s create container one/0
    0s start container one/0
    0s   ContainerStarted Pending one=running/0 two=ContainerCreating/0 c=PodInitializing/0
    5s   ContainerDied Pending one=Completed:0/0 two=ContainerCreating/0 c=PodInitializing/0
    5s get image two/0
    5s create container two/0
    5s start container two/0
    5s   ContainerStarted Pending one=Completed:0/0 two=running/0 c=PodInitializing/0
   12s   ContainerDied Pending one=Completed:0/0 two=Completed:0/0 c=ContainerCreating/0
   12s get image c/0
   12s create container c/0
   12s start container c/0
   12s   ContainerStarted Running ready one=Completed:0/0 two=Completed:0/0 c=running/0
`)
		s.engine.BreakSandbox("u") // they must run again in a new one
		s.pass(time.Minute)
		s.expect(`
  1m0s kill container c/0
  1m0s   ContainerDied Running one=Completed:0/0 two=Completed:0/0 c=Error:137/0
  1m0s remove sandbox
  1m0s create sandbox 1
  1m0s attach network
  1m0s get image one/1
  1m0s create container one/1
  1m0s start container one/1
  1m0s   ContainerStarted Running one=running/1 (last Completed:0) two=Completed:0/0 c=Error:137/0
  1m5s   ContainerDied Running one=Completed:0/1 (last Completed:0) two=Completed:0/0 c=Error:137/0
  1m5s get image two/1
  1m5s create container two/1
  1m5s start container two/1
  1m5s   ContainerStarted Running one=Completed:0/1 (last Completed:0) two=running/1 (last Completed:0) c=Error:137/0
 1m12s   ContainerDied Running one=Completed:0/1 (last Completed:0) two=Completed:0/1 (last Completed:0) c=Error:137/0
 1m12s get image c/1
 1m12s create container c/1
 1m12s start container c/1
 1m12s   ContainerStarted Running ready one=Completed:0/1 (last Completed:0) two=Completed:0/1 (last Completed:0) c=running/1 (last Error:137)
`)
	})
}

func TestP6AFailingInitContainer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := play(t, simulated.Config{})
		defer func() { s.stop() }()
		s.want(newPod(inits("one"), scripted("one."+simulated.ExitCode, "1")))
		s.pass(11 * time.Second)
		s.expect(`
    0s   PodAccepted Pending one=ContainerCreating/0 c=PodInitializing/0
    0s create sandbox 0
    0s attach network
    0s get image one/0
    0s create container one/0
    0s start container one/0
    0s   ContainerDied Pending one=Error:1/0 c=PodInitializing/0
    0s get image one/1
    0s create container one/1
    0s start container one/1
    0s   ContainerDied Pending one=CrashLoopBackOff/1 (last Error:1) c=PodInitializing/0
   10s get image one/2
   10s create container one/2
   10s start container one/2
   10s   ContainerDied Pending one=CrashLoopBackOff/2 (last Error:1) c=PodInitializing/0
`)
		s.stop()
	})
	synctest.Test(t, func(t *testing.T) {
		s := play(t, simulated.Config{})
		defer func() { s.stop() }()
		s.want(newPod(inits("one"), policy(corev1.RestartPolicyNever), scripted("one."+simulated.ExitCode, "1")))
		s.pass(time.Minute)
		s.expect(`
    0s   PodAccepted Pending one=ContainerCreating/0 c=PodInitializing/0
    0s create sandbox 0
    0s attach network
    0s get image one/0
    0s create container one/0
    0s start container one/0
    0s   PodFailed Failed one=Error:1/0 c=PodInitializing/0
    0s remove sandbox
    0s release network and volumes
`)
	})
}

func TestP6ASidecarRunsBesideTheOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := play(t, simulated.Config{})
		defer func() { s.stop() }()
		s.want(newPod(inits("proxy-side", "two"), scripted("two."+simulated.RunFor, "7s", "proxy."+simulated.RunFor, "30s")))
		s.pass(time.Minute)
		s.expect(`
    0s   PodAccepted Pending proxy=ContainerCreating/0 two=ContainerCreating/0 c=PodInitializing/0
    0s create sandbox 0
    0s attach network
    0s get image proxy/0
    0s create container proxy/0
    0s start container proxy/0
    0s   ContainerStarted Pending proxy=running/0 two=ContainerCreating/0 c=PodInitializing/0
    0s get image two/0
    0s create container two/0
    0s start container two/0
    0s   ContainerStarted Pending proxy=running/0 two=running/0 c=PodInitializing/0
    7s   ContainerDied Pending proxy=running/0 two=Completed:0/0 c=ContainerCreating/0
    7s get image c/0
    7s create container c/0
    7s start container c/0
    7s   ContainerStarted Running ready proxy=running/0 two=Completed:0/0 c=running/0
   30s   ContainerDied Running ready proxy=Completed:0/0 two=Completed:0/0 c=running/0
   30s get image proxy/1
   30s create container proxy/1
   30s start container proxy/1
   30s   ContainerStarted Running ready proxy=running/1 (last Completed:0) two=Completed:0/0 c=running/0
  1m0s   ContainerDied Running ready proxy=CrashLoopBackOff/1 (last Completed:0) two=Completed:0/0 c=running/0
`)
	})
}

func TestP5AStubbornContainerIsKilled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := play(t, simulated.Config{})
		defer func() { s.stop() }()
		stubborn := scripted(simulated.TermCode, "ignore")
		s.want(newPod(stubborn))
		s.pass(time.Minute)
		s.skip()
		s.want(newPod(stubborn, deleted(30)))
		s.pass(time.Minute)
		s.expect(`
  1m0s stop container c/0
 1m30s kill container c/0
 1m30s remove container c/0
 1m30s remove sandbox
 1m30s release network and volumes
 1m30s   PodEnded Failed c=Error:137/0 ENDED
 1m30s end
`)
		s.want(newPod(stubborn)) // the same name and UID again cannot be, but another pod may
		s.pass(time.Minute)
		s.skip()
		s.keeper.Gone("u", 2*time.Second)
		s.pass(time.Minute)
		s.expect(`
  3m0s stop container c/0
  3m2s kill container c/0
  3m2s remove container c/0
  3m2s remove sandbox
  3m2s release network and volumes
  3m2s end
`)
		if got := fmt.Sprint(s.forgot); got != "[u u]" {
			t.Errorf("forgotten: %s", got)
		}
	})
}

func TestP10DeadlineEndsThePod(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := play(t, simulated.Config{})
		defer func() { s.stop() }()
		limit := int64(20)
		s.want(newPod(func(p *corev1.Pod) { p.Spec.ActiveDeadlineSeconds = &limit }))
		s.pass(time.Hour)
		s.expect(`
    0s   PodAccepted Pending c=ContainerCreating/0
    0s create sandbox 0
    0s attach network
    0s get image c/0
    0s create container c/0
    0s start container c/0
    0s   ContainerStarted Running ready c=running/0
   20s stop container c/0
   20s   PodFailed Failed c=Error:143/0
   20s remove sandbox
   20s release network and volumes
`)
		if got := s.is("u"); got.Reason != "DeadlineExceeded" {
			t.Errorf("reason: %s", got.Reason)
		}
	})
}

func TestP1ALostSandboxIsReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := play(t, simulated.Config{})
		defer func() { s.stop() }()
		s.want(newPod())
		s.pass(time.Minute)
		s.skip()
		s.engine.BreakSandbox("u")
		s.pass(time.Minute)
		s.expect(`
  1m0s kill container c/0
  1m0s   ContainerDied Running c=Error:137/0
  1m0s remove sandbox
  1m0s create sandbox 1
  1m0s attach network
  1m0s get image c/1
  1m0s create container c/1
  1m0s start container c/1
  1m0s   ContainerStarted Running ready c=running/1 (last Error:137)
`)
	})
}

func TestANewImageReplacesTheContainer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := play(t, simulated.Config{})
		defer func() { s.stop() }()
		s.want(newPod())
		s.pass(time.Minute)
		s.skip()
		s.want(newPod(func(p *corev1.Pod) { p.Spec.Containers[0].Image = "app:2" }))
		s.pass(time.Minute)
		s.expect(`
  1m0s stop container c/0
  1m0s   ContainerDied Running c=Error:143/0
  1m0s get image c/1
  1m0s create container c/1
  1m0s start container c/1
  1m0s   ContainerStarted Running ready c=running/1 (last Error:143)
`)
	})
}

func TestAnEngineThatIsDownStopsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := play(t, simulated.Config{})
		defer func() { s.stop() }()
		s.want(newPod())
		s.pass(time.Minute)
		s.skip()
		s.engine.SetDown(true)
		s.want(newPod(func(p *corev1.Pod) { p.Labels = map[string]string{"a": "b"} }))
		s.pass(time.Hour)
		s.expect(``) // nothing is known, so nothing is told
		s.engine.SetDown(false)
		s.pass(time.Minute)
		s.expect(``)
	})
}

func TestANewKeeperAdoptsWhatRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := play(t, simulated.Config{})
		defer func() { s.stop() }()
		crashing := newPod(scripted(simulated.RunFor, "1s", simulated.ExitCode, "1"))
		s.want(crashing)
		s.pass(40 * time.Second)
		s.stop()
		s.skip()
		s.start()
		s.want(crashing)
		s.pass(3 * time.Minute) // its back-off goes on where it was
		s.expect(`
   40s attach network
   40s   ContainerDied Running c=CrashLoopBackOff/3 (last Error:1)
 1m14s get image c/4
 1m14s create container c/4
 1m14s start container c/4
 1m14s   ContainerStarted Running ready c=running/4 (last Error:1)
 1m14s remove container c/2
 1m15s   ContainerDied Running c=CrashLoopBackOff/4 (last Error:1)
 2m35s get image c/5
 2m35s create container c/5
 2m35s start container c/5
 2m35s   ContainerStarted Running ready c=running/5 (last Error:1)
 2m35s remove container c/3
 2m36s   ContainerDied Running c=CrashLoopBackOff/5 (last Error:1)
`)
	})
}

func TestWhatNobodyWantsGoesOnlyAfterAFullList(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := play(t, simulated.Config{})
		defer func() { s.stop() }()
		s.want(newPod())
		s.pass(time.Minute)
		s.stop()
		s.skip()
		s.start() // it knows of no pod
		s.pass(time.Hour)
		s.expect(``)
		s.keeper.WantAll(nil)
		s.pass(time.Minute)
		s.expect(`
1h1m0s stop container c/0
1h1m0s remove container c/0
1h1m0s remove sandbox
1h1m0s release network and volumes
1h1m0s end
`)
	})
}

// rooted is an engine whose images run as root.
type rooted struct{ *simulated.Engine }

func (r rooted) Image(ctx context.Context, name string) (runtime.Image, error) {
	image, err := r.Engine.Image(ctx, name)
	image.User = ""
	return image, err
}

func TestP10AnImageOfRootIsRefusedWhereRootIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		engine := simulated.New(simulated.Config{})
		s := &stage{t: t, engine: engine, runtime: rooted{engine}, begun: time.Now(), status: map[string]corev1.PodStatus{}}
		s.start()
		defer func() { s.stop() }()
		yes := true
		s.want(newPod(func(p *corev1.Pod) { p.Spec.SecurityContext = &corev1.PodSecurityContext{RunAsNonRoot: &yes} }))
		s.want(newPod(func(p *corev1.Pod) { p.UID, p.Name = "v", "q" }))
		s.pass(time.Minute)
		w := s.is("u").ContainerStatuses[0].State.Waiting
		if w == nil || w.Reason != "CreateContainerConfigError" || w.Message != `container has runAsNonRoot and image will run as root (pod: "p", container: c)` {
			t.Errorf("%+v", w)
		}
		if got := brief(s.is("v")); got != "Running ready c=running/0" {
			t.Errorf("one that may be root: %s", got)
		}
	})
}

// refusing is an engine that fails to list, so many times, and is not away.
type refusing struct {
	*simulated.Engine
	times atomic.Int64
}

func (r *refusing) List(ctx context.Context) ([]runtime.Pod, error) {
	if r.times.Add(-1) >= 0 {
		return nil, errors.New("too many requests")
	}
	return r.Engine.List(ctx)
}

func TestALookAroundThatFailedIsDoneAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := play(t, simulated.Config{})
		defer func() { s.stop() }()
		s.want(newPod())
		s.pass(time.Minute)
		s.stop()
		r := &refusing{Engine: s.engine}
		s.runtime = r
		s.start()
		s.pass(time.Second)
		r.times.Store(3)
		s.keeper.WantAll(nil)
		s.pass(time.Minute)
		if left, err := s.engine.List(t.Context()); err != nil || len(left) != 0 {
			t.Errorf("left: %v, %v", left, err)
		}
	})
}

func TestP9VolumesLiveAsLongAsThePod(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := play(t, simulated.Config{})
		defer func() { s.stop() }()
		file := filepath.Join(t.TempDir(), "made", "here")
		s.want(newPod(func(p *corev1.Pod) {
			orCreate := corev1.HostPathDirectoryOrCreate
			p.Spec.Volumes = []corev1.Volume{
				{Name: "scratch", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}},
				{Name: "host", VolumeSource: corev1.VolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: file, Type: &orCreate}}},
			}
			p.Spec.Containers[0].VolumeMounts = []corev1.VolumeMount{
				{Name: "scratch", MountPath: "/s", SubPath: "deep/down"}, {Name: "host", MountPath: "/h"},
			}
		}))
		s.pass(time.Minute)
		if info, err := os.Stat(file); err != nil || !info.IsDir() {
			t.Errorf("hostPath: %v", err)
		}
		if brief(s.is("u")) != "Running ready c=running/0" {
			t.Errorf("%s", brief(s.is("u")))
		}
		s.keeper.Gone("u", 0)
		s.pass(time.Minute)
		if _, err := os.Stat(file); err != nil {
			t.Errorf("hostPath was removed: %v", err)
		}
	})
}

func TestP8WhatIsNotSupportedSaysSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := play(t, simulated.Config{})
		defer func() { s.stop() }()
		s.want(newPod(func(p *corev1.Pod) {
			p.Spec.Containers[0].EnvFrom = []corev1.EnvFromSource{{}}
		}))
		s.pass(time.Second)
		w := s.is("u").ContainerStatuses[0].State.Waiting
		if w == nil || w.Reason != "CreateContainerConfigError" || w.Message != "envFrom is not supported by this version of segno" {
			t.Errorf("%+v", w)
		}
	})
}

func TestP11ALifeInNotes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var missing atomic.Bool
		missing.Store(true)
		s := play(t, simulated.Config{NoImage: func(string) error {
			if missing.Load() {
				return errors.New("manifest for app:1 not found")
			}
			return nil
		}})
		defer func() { s.stop() }()
		s.want(newPod(scripted(simulated.ExitCode, "1")))
		s.pass(5 * time.Second)
		missing.Store(false)
		s.pass(40 * time.Second)
		s.want(newPod(scripted(simulated.ExitCode, "1"), deleted(30)))
		s.pass(time.Minute)
		s.expectNotes(`
    0s Pulling Pulling image "app:1"
    0s Failed Failed to pull image "app:1": manifest for app:1 not found
    0s Failed Error: ErrImagePull
    2s BackOff Back-off pulling image "app:1"
    2s Failed Error: ImagePullBackOff
   10s Pulled Container image "app:1" already present on machine
   10s Created Created container: c
   10s Started Started container c
   10s Pulled Container image "app:1" already present on machine
   10s Created Created container: c
   10s Started Started container c
   10s BackOff Back-off restarting failed container c in pod p_default(u)
   20s Pulled Container image "app:1" already present on machine
   20s Created Created container: c
   20s Started Started container c
   20s BackOff Back-off restarting failed container c in pod p_default(u)
   40s Pulled Container image "app:1" already present on machine
   40s Created Created container: c
   40s Started Started container c
   40s BackOff Back-off restarting failed container c in pod p_default(u)
`)
	})
}
