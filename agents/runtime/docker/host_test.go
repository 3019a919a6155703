//go:build host

package docker_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"segno/agents"
	"segno/agents/hosttest"
	"segno/agents/runtime"
	"segno/agents/runtime/docker"
	"segno/agents/runtime/runtimetest"
)

// TestMain lets the test's own binary play segno's in the pause image.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "pause" {
		agents.Pause(context.Background())
		return
	}
	os.Exit(m.Run())
}

func newEngine(t *testing.T, node string) *docker.Engine {
	t.Helper()
	return newEngineWith(t, docker.Config{Node: node})
}

func newEngineWith(t *testing.T, cfg docker.Config) *docker.Engine {
	t.Helper()
	cfg.Host, cfg.Scope = hosttest.Docker(t), "test"
	engine, err := docker.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = engine.Close() })
	return engine
}

func TestConformance(t *testing.T) {
	node := fmt.Sprintf("conformance-%d", os.Getpid())
	runtimetest.Run(t, &runtimetest.Harness{
		Runtime:      newEngine(t, node),
		Again:        func(t *testing.T) runtime.Runtime { return newEngine(t, node) },
		Program:      program,
		MissingImage: "registry.invalid/no/such:1.91",
	})
	left := hosttest.Run(t, "docker", "-H", hosttest.Docker(t), "ps", "-aq", "--filter", "label=segno.node="+node)
	if left != "" {
		t.Errorf("containers left: %s", left)
	}
}

func program(b runtimetest.Behaviour, spec *runtime.ContainerSpec) {
	spec.Image = "busybox:1.36"
	spec.Command = []string{"sh", "-c"}
	var script []string
	switch {
	case b.IgnoreTerm:
		script = append(script, "trap '' TERM")
	case b.Forever:
		script = append(script, "trap 'exit 143' TERM")
	}
	for line := range strings.Lines(b.Log) {
		script = append(script, "echo '"+strings.TrimSuffix(line, "\n")+"'")
	}
	switch {
	case b.OOM:
		spec.Resources.Memory = 16 << 20
		// The engine does not notice what happens before the start has returned.
		script = append(script, "sleep 2", "exec tail -c 200m /dev/zero")
	case b.Forever:
		script = append(script, "while :; do sleep 0.1; done")
	default:
		script = append(script, fmt.Sprintf("sleep %f", b.RunFor.Seconds()), fmt.Sprintf("exit %d", b.ExitCode))
	}
	spec.Args = []string{strings.Join(script, "\n")}
}

// bench is one pod on the real engine.
type bench struct {
	*testing.T
	*docker.Engine
	uid string
}

func newBench(t *testing.T) bench {
	t.Helper()
	return newBenchWith(t, docker.Config{Node: "bench"})
}

func newBenchWith(t *testing.T, cfg docker.Config) bench {
	b := bench{t, newEngineWith(t, cfg), fmt.Sprintf("t%d", time.Now().UnixNano())}
	t.Cleanup(func() {
		ctx := context.WithoutCancel(t.Context())
		have, err := b.Inspect(ctx, b.uid)
		b.must(err)
		for _, c := range have.Containers {
			b.must(b.RemoveContainer(ctx, c.Ref))
		}
		b.must(b.RemoveSandbox(ctx, b.uid))
	})
	return b
}

func (b bench) must(err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

func (b bench) run(spec runtime.ContainerSpec) runtime.Container {
	b.Helper()
	spec.UID = b.uid
	b.must(b.CreateContainer(b.Context(), spec))
	b.must(b.StartContainer(b.Context(), spec.Ref))
	have, err := b.Inspect(b.Context(), b.uid)
	b.must(err)
	c, there := have.Attempt(spec.Container, spec.Attempt)
	if !there {
		b.Fatalf("not there: %+v", have)
	}
	return c
}

func (b bench) exec(container string, command ...string) string {
	b.Helper()
	var out bytes.Buffer
	code, err := b.Exec(b.Context(), runtime.Ref{UID: b.uid, Container: container}, runtime.Exec{Command: command, StreamSet: runtime.StreamSet{Stdout: &out, Stderr: &out}})
	if err != nil || code != 0 {
		b.Fatalf("%v: %d, %v: %s", command, code, err, out.String())
	}
	return strings.TrimSpace(out.String())
}

func TestP1ContainersShareWhatTheSandboxHolds(t *testing.T) {
	b := newBench(t)
	b.must(b.CreateSandbox(t.Context(), runtime.SandboxSpec{UID: b.uid, Namespace: "d", Name: "p", Hostname: "my-pod", Hosts: []runtime.Host{{Name: "elsewhere", Address: "10.1.2.3"}}}))
	shell := []string{"sh", "-c", "while :; do sleep 1; done"}
	for _, name := range []string{"one", "two"} {
		b.run(runtime.ContainerSpec{Ref: runtime.Ref{Container: name}, Image: "busybox:1.36", Command: shell, SharePID: true})
	}
	if got := b.exec("one", "hostname"); got != "my-pod" {
		t.Errorf("hostname %q", got)
	}
	for _, ns := range []string{"net", "ipc", "pid"} {
		if one, two := b.exec("one", "readlink", "/proc/self/ns/"+ns), b.exec("two", "readlink", "/proc/self/ns/"+ns); one != two {
			t.Errorf("namespace %s: %s and %s", ns, one, two)
		}
	}
	// An orphan is reaped, though nobody waits for it.
	orphan := b.exec("one", "sh", "-c", "sleep 0.1 >/dev/null & echo $!")
	wait := fmt.Sprintf("for i in $(seq 300); do [ -e /proc/%s ] || exit 0; sleep 0.1; done; head -3 /proc/%[1]s/status", orphan)
	if left := b.exec("one", "sh", "-c", wait); left != "" {
		t.Errorf("the orphan is still there: %s", left)
	}
	if hosts := b.exec("two", "cat", "/etc/hosts"); !strings.Contains(hosts, "10.1.2.3\telsewhere") {
		t.Errorf("hosts: %s", hosts)
	}
}

// TestEitherProgramHoldsASandbox: the tiny one, and segno's own, which the
// test's binary plays; both also in the node's network.
func TestEitherProgramHoldsASandbox(t *testing.T) {
	node := hosttest.Run(t, "readlink", "/proc/self/ns/net")
	for name, program := range map[string]string{"Tiny": "", "Own": "/proc/self/exe"} {
		for _, hostNetwork := range []bool{false, true} {
			t.Run(fmt.Sprint(name, hostNetwork), func(t *testing.T) {
				b := newBenchWith(t, docker.Config{Node: "bench", PauseBinary: program})
				b.must(b.CreateSandbox(t.Context(), runtime.SandboxSpec{UID: b.uid, Hostname: "p", HostNetwork: hostNetwork}))
				b.run(runtime.ContainerSpec{Ref: runtime.Ref{Container: "c"}, Image: "busybox:1.36", Command: []string{"sleep", "1000"}})
				if own := b.exec("c", "readlink", "/proc/self/ns/net"); (own == node) != hostNetwork {
					t.Errorf("the network is %s, the node's is %s", own, node)
				}
			})
		}
	}
}

func TestP2ACommandThatIsNotThereIsAnExitWithAMessage(t *testing.T) {
	b := newBench(t)
	b.must(b.CreateSandbox(t.Context(), runtime.SandboxSpec{UID: b.uid, Hostname: "p"}))
	c := b.run(runtime.ContainerSpec{Ref: runtime.Ref{Container: "bad"}, Image: "busybox:1.36", Command: []string{"/no/such"}})
	if c.State != runtime.Exited || c.ExitCode != 127 || !strings.Contains(c.Message, "/no/such") || c.StartedAt.IsZero() {
		t.Errorf("%+v", c)
	}
}

func TestP10LimitsAreEnforced(t *testing.T) {
	b := newBench(t)
	b.must(b.CreateSandbox(t.Context(), runtime.SandboxSpec{UID: b.uid, Hostname: "p"}))
	b.run(runtime.ContainerSpec{
		Ref: runtime.Ref{Container: "c"}, Image: "busybox:1.36", Command: []string{"sleep", "1000"},
		Resources: runtime.Resources{CPUShares: 256, MilliCPU: 250, Memory: 32 << 20, OOMScore: 500},
		Security:  runtime.Security{User: "65534:65534", ReadOnly: true, Drop: []string{"ALL"}, NoNewPrivileges: true},
		Env:       []string{"A=b c"}, WorkingDir: "/tmp",
	})
	for command, want := range map[string]string{
		"cat /sys/fs/cgroup/memory/memory.limit_in_bytes 2>/dev/null || cat /sys/fs/cgroup/memory.max": "33554432",
		"cat /sys/fs/cgroup/cpu/cpu.cfs_quota_us 2>/dev/null || cut -d' ' -f1 /sys/fs/cgroup/cpu.max":  "25000",
		"cat /proc/1/oom_score_adj":       "500",
		"id -u":                           "65534",
		"touch /x 2>/dev/null || echo no": "no",
		"echo $A":                         "b c",
		"pwd":                             "/tmp",
		"grep -c 'CapEff:.*0000000000000000' /proc/1/status": "1",
		"sed -n 's/NoNewPrivs:[^01]*//p' /proc/1/status":     "1",
	} {
		if got := b.exec("c", "sh", "-c", command); got != want {
			t.Errorf("%s: %q, want %q", command, got, want)
		}
	}
}

// TestP3ACommandThatIsKilledIsGone, and one that is not goes on.
func TestP3ACommandThatIsKilledIsGone(t *testing.T) {
	b := newBench(t)
	b.must(b.CreateSandbox(t.Context(), runtime.SandboxSpec{UID: b.uid, Hostname: "p"}))
	b.run(runtime.ContainerSpec{Ref: runtime.Ref{Container: "c"}, Image: "busybox:1.36", Command: []string{"sleep", "1000"}})
	for kill, want := range map[bool]string{false: "1", true: "0"} {
		name := map[bool]string{false: "3001", true: "3002"}[kill]
		ctx, cancel := context.WithCancel(t.Context())
		running := &closing{found: cancel}
		_, err := b.Exec(ctx, runtime.Ref{UID: b.uid, Container: "c"}, runtime.Exec{
			Command: []string{"sh", "-c", "echo begun; exec sleep " + name}, Kill: kill, StreamSet: runtime.StreamSet{Stdout: running},
		})
		if !errors.Is(err, context.Canceled) {
			t.Errorf("kill %t: %v", kill, err)
		}
		count := "for i in $(seq 50); do n=$(ps | grep -c '[s]leep " + name + "'); [ $n = " + want + " ] && break; sleep 0.1; done; echo $n"
		if n := b.exec("c", "sh", "-c", count); n != want {
			t.Errorf("kill %t: %s are left, want %s", kill, n, want)
		}
	}
}

// closing calls found with the first bytes that come.
type closing struct{ found func() }

func (c *closing) Write(p []byte) (int, error) {
	c.found()
	return len(p), nil
}

func TestTheImageSaysAsWhomItRuns(t *testing.T) {
	engine := newEngine(t, "images")
	tag := fmt.Sprintf("segno-test/user:%d", os.Getpid())
	source := t.TempDir()
	if err := os.WriteFile(source+"/Dockerfile", []byte("FROM busybox:1.36\nUSER 1234:5\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	host := hosttest.Docker(t)
	hosttest.Run(t, "docker", "-H", host, "build", "-q", "-t", tag, source)
	t.Cleanup(func() { hosttest.Run(t, "docker", "-H", host, "image", "rm", tag) })
	for name, want := range map[string]string{"busybox:1.36": "", tag: "1234:5"} {
		if image, err := engine.Image(t.Context(), name); err != nil || image.User != want || image.ID == "" {
			t.Errorf("%s: %+v, %v", name, image, err)
		}
	}
}

// TestRemoveScopeTakesOneClustersContainers, of all its nodes, and no other's.
func TestRemoveScopeTakesOneClustersContainers(t *testing.T) {
	host := hosttest.Docker(t)
	sandbox := func(scope, node string) *docker.Engine {
		t.Helper()
		engine, err := docker.New(docker.Config{Host: host, Node: node, Scope: scope})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = engine.Close() })
		spec := runtime.SandboxSpec{UID: scope + "-" + node, Namespace: "d", Name: node, Hostname: node, HostNetwork: true}
		if err := engine.CreateSandbox(t.Context(), spec); err != nil {
			t.Fatal(err)
		}
		return engine
	}
	dead, alive := fmt.Sprint("dead-", os.Getpid()), fmt.Sprint("alive-", os.Getpid())
	sandbox(dead, "one")
	sandbox(dead, "two")
	other := sandbox(alive, "one")
	for _, want := range []int{2, 0} {
		if n, err := docker.RemoveScope(t.Context(), host, dead, ""); err != nil || n != want {
			t.Errorf("removed %d, want %d: %v", n, want, err)
		}
	}
	if left, err := other.List(t.Context()); err != nil || len(left) != 1 {
		t.Errorf("the other cluster has %v, %v", left, err)
	}
	if n, err := docker.RemoveScope(t.Context(), host, alive, ""); err != nil || n != 1 {
		t.Errorf("removed %d: %v", n, err)
	}
	if _, err := docker.RemoveScope(t.Context(), "unix:///run/no-such-engine.sock", dead, ""); !errors.Is(err, runtime.ErrDown) {
		t.Errorf("an engine that is away: %v", err)
	}
	if _, err := docker.RemoveScope(t.Context(), host, "", ""); err == nil {
		t.Error("everybody's containers were asked for")
	}
}
