//go:build host

package agents_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/intstr"

	"segno/agents"
	"segno/agents/hosttest"
	"segno/agents/network"
	"segno/agents/pod"
	"segno/agents/runtime/docker"
)

// TestMain lets the test's own binary play segno's in the pause image.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "pause" {
		agents.Pause(context.Background())
		return
	}
	os.Exit(m.Run())
}

// host is an agent on a real engine and a real bridge.
type host struct {
	*testing.T
	plane    *plane
	engine   *docker.Engine
	docker   string
	dir      string
	listener net.Listener
	stop     func()
}

const testBridge = "sgtest"

func newHost(t *testing.T, address string) *host {
	t.Helper()
	engine, err := docker.New(docker.Config{Host: address, Node: "n1", Scope: t.Name()})
	if err != nil {
		t.Fatal(err)
	}
	h := &host{T: t, plane: newPlane(), engine: engine, docker: address, dir: t.TempDir()}
	h.plane.cidr = "10.98.7.0/24"
	h.start()
	t.Cleanup(h.clean)
	return h
}

func (h *host) start() {
	h.Helper()
	bridge, err := network.NewBridge(network.Config{Name: testBridge})
	if err != nil {
		h.Fatal(err)
	}
	if h.listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		h.Fatal(err)
	}
	agent, err := agents.New(agents.Config{
		Node: "n1", Link: h.plane, Runtime: h.engine, Network: bridge, Listener: h.listener, StateDir: h.dir,
		Version: "v0-test", Address: netip.MustParseAddr("127.0.0.1"), Logger: slog.New(slog.NewTextHandler(h.Output(), nil)),
		Observe: func(uid string, action pod.Action, err error) { h.Logf("%s: %s %v", uid, action, err) },
	})
	if err != nil {
		h.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(h.Context()))
	done := make(chan error, 1)
	go func() { done <- agent.Run(ctx) }()
	h.stop = func() {
		cancel()
		if err := <-done; err != nil {
			h.Errorf("Run: %v", err)
		}
	}
}

// clean has every pod go, and finds what is left.
func (h *host) clean() {
	h.plane.setDown(false)
	h.plane.with(func() { clear(h.plane.pods) })
	h.stop()
	h.start() // its first sync says that nothing is wanted
	h.await("nothing left", func() bool {
		left, err := h.engine.List(context.WithoutCancel(h.Context()))
		return err == nil && len(left) == 0
	})
	h.stop()
	_ = h.engine.Close()
	links := hosttest.Run(h, "ip", "-o", "link", "show", "master", testBridge)
	if links != "" {
		h.Errorf("links left: %s", links)
	}
	hosttest.Run(h, "ip", "link", "delete", testBridge)
	if left := hosttest.Run(h, "docker", "-H", h.docker, "ps", "-aq", "--filter", "label=segno.scope="+h.Name()); left != "" {
		h.Errorf("containers left: %s", left)
	}
}

func (h *host) await(what string, true func() bool) {
	h.Helper()
	const patience = 60 * time.Second
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		if true() {
			return
		}
		<-time.After(20 * time.Millisecond)
	}
	var statuses []string
	h.plane.with(func() {
		for uid, s := range h.plane.statuses {
			statuses = append(statuses, uid+": "+brief(s)+fmt.Sprintf(" %+v", s.ContainerStatuses))
		}
	})
	h.Fatalf("%s: not within %s; %s", what, patience, strings.Join(statuses, "; "))
}

func (h *host) awaitBrief(uid, want string) corev1.PodStatus {
	h.Helper()
	h.await(uid+" is "+want, func() bool { return brief(h.plane.status(uid)) == want })
	return h.plane.status(uid)
}

// command runs the engine's own command line, as a person would.
func (h *host) command(args ...string) string {
	h.Helper()
	return hosttest.Run(h, "docker", append([]string{"-H", h.docker}, args...)...)
}

func (h *host) get(url string) string {
	h.Helper()
	answer, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Get(url)
	if err != nil {
		h.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		h.Fatal(err)
	}
	return string(body)
}

func nginx(p *corev1.Pod) {
	p.Spec.Containers[0].Image = "nginx:1.8"
	p.Spec.Containers[0].Name = "nginx"
}

// short is the grace period of shells, which ignore the signal.
var short = int64(1)

func shell(script string) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		p.Spec.Containers[0].Image = "busybox:1.36"
		p.Spec.Containers[0].Command = []string{"sh", "-c", script}
		p.Spec.TerminationGracePeriodSeconds = &short
	}
}

func TestP1NginxAnswersOnItsPodIP(t *testing.T) {
	h := newHost(t, hosttest.Docker(t))
	probed := func(p *corev1.Pod) {
		p.Spec.Containers[0].Ports = []corev1.ContainerPort{{Name: "http", ContainerPort: 80}}
		at := corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Path: "/", Port: intstr.FromString("http")}}
		p.Spec.Containers[0].ReadinessProbe = &corev1.Probe{ProbeHandler: at, PeriodSeconds: 1}
		p.Spec.Containers[0].LivenessProbe = &corev1.Probe{ProbeHandler: corev1.ProbeHandler{Exec: &corev1.ExecAction{Command: []string{"true"}}}, PeriodSeconds: 1}
	}
	h.plane.apply(t, simplePod("a", nginx), simplePod("b", nginx, probed))
	first := h.awaitBrief("uid-a", "Running ready=True nginx=running/0")
	second := h.awaitBrief("uid-b", "Running ready=True nginx=running/0")
	for _, s := range []corev1.PodStatus{first, second} {
		if !strings.HasPrefix(s.PodIP, "10.98.7.") || s.ContainerStatuses[0].ContainerID == "" {
			t.Errorf("status: %+v", s)
		}
		// nginx may still be opening its port
		h.await("nginx answers", func() bool {
			conn, err := net.Dial("tcp", s.PodIP+":80")
			if err == nil {
				_ = conn.Close()
			}
			return err == nil
		})
		if page := h.get("http://" + s.PodIP); !strings.Contains(page, "nginx") {
			t.Errorf("page: %s", page)
		}
	}
	if first.PodIP == second.PodIP {
		t.Errorf("both have %s", first.PodIP)
	}
	logs := h.get("http://" + h.listener.Addr().String() + "/containerLogs/default/a/nginx")
	if !strings.Contains(logs, "start worker process") {
		t.Errorf("logs: %q", logs)
	}
	hosts := h.command("exec", "segno_uid-a_nginx_0", "cat", "/etc/hosts", "/etc/hostname")
	if !strings.Contains(hosts, first.PodIP+"\ta") {
		t.Errorf("hosts: %s", hosts)
	}
	grace := int64(30)
	before := time.Now()
	h.plane.apply(t, simplePod("a", nginx, deleting(grace)))
	h.await("the pod ended", func() bool { return fmt.Sprint(h.plane.ended) == "[uid-a]" })
	if took := time.Since(before); took > 10*time.Second {
		t.Errorf("nginx took %s to end: its own stop signal was not used", took)
	}
}

func TestKilledContainerAndAgentAndPause(t *testing.T) {
	h := newHost(t, hosttest.Docker(t))
	h.plane.apply(t, simplePod("a", nginx))
	status := h.awaitBrief("uid-a", "Running ready=True nginx=running/0")
	id := h.command("inspect", "-f", "{{.Id}} {{.State.StartedAt}}", "segno_uid-a_nginx_0")

	// The agent goes without a word; the container is the same afterwards.
	h.stop()
	h.start()
	h.plane.apply(t, simplePod("other", shell("sleep 1000")))
	h.awaitBrief("uid-other", "Running ready=True c=running/0")
	if again := h.command("inspect", "-f", "{{.Id}} {{.State.StartedAt}}", "segno_uid-a_nginx_0"); again != id {
		t.Errorf("container %s became %s", id, again)
	}
	if got := h.plane.status("uid-a"); got.PodIP != status.PodIP || brief(got) != brief(status) {
		t.Errorf("status %s became %s", brief(status), brief(got))
	}
	h.get("http://" + status.PodIP)

	// A container that is killed comes back under the same address.
	h.command("kill", "segno_uid-a_nginx_0")
	back := h.awaitBrief("uid-a", "Running ready=True nginx=running/1")
	if back.PodIP != status.PodIP || back.ContainerStatuses[0].LastTerminationState.Terminated.ExitCode != 137 {
		t.Errorf("%+v", back)
	}
	if previous := h.get("http://" + h.listener.Addr().String() + "/containerLogs/default/a/nginx?previous=true"); !strings.Contains(previous, "start worker process") {
		t.Errorf("previous log: %q", previous)
	}

	// So does a pod whose sandbox is removed by hand.
	h.command("rm", "-f", "segno_uid-a__sandbox")
	h.awaitBrief("uid-a", "Running ready=True nginx=running/2")
	h.await("nginx answers", func() bool {
		conn, err := net.Dial("tcp", h.plane.status("uid-a").PodIP+":80")
		if err == nil {
			_ = conn.Close()
		}
		return err == nil
	})

	// And one whose containers are removed by hand: the count goes on.
	h.command("rm", "-f", "segno_uid-a_nginx_2", "segno_uid-a_nginx_1")
	gone := h.awaitBrief("uid-a", "Running ready=True nginx=running/3")
	if last := gone.ContainerStatuses[0].LastTerminationState.Terminated; last == nil || last.ExitCode != 137 {
		t.Errorf("last state: %+v", last)
	}
}

func TestP2StatesOfRealContainers(t *testing.T) {
	h := newHost(t, hosttest.Docker(t))
	never := func(p *corev1.Pod) { p.Spec.RestartPolicy = corev1.RestartPolicyNever }
	image := func(image string, policy corev1.PullPolicy) func(*corev1.Pod) {
		return func(p *corev1.Pod) { p.Spec.Containers[0].Image, p.Spec.Containers[0].ImagePullPolicy = image, policy }
	}
	h.plane.apply(t,
		simplePod("done", never, shell("exit 0")),
		simplePod("failed", never, shell("exit 7")),
		simplePod("oom", never, shell("until [ -e /go ]; do sleep 0.1; done; exec tail -c 200m /dev/zero"), func(p *corev1.Pod) {
			p.Spec.Containers[0].Resources.Limits = corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("16Mi")}
		}),
		simplePod("nocommand", never, func(p *corev1.Pod) {
			p.Spec.Containers[0].Image, p.Spec.Containers[0].Command = "busybox:1.36", []string{"/no/such"}
		}),
		simplePod("crash", shell("exit 3")),
		simplePod("noimage", image("nginx:1.91", corev1.PullIfNotPresent)),
		simplePod("never", image("nginx:1.91", corev1.PullNever)),
		simplePod("badname", image("NGINX::1", corev1.PullIfNotPresent)),
		simplePod("env", never, shell(`echo "$NAME $IP $GREETING"; echo "$0"`), func(p *corev1.Pod) {
			field := func(path string) *corev1.EnvVarSource {
				return &corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{FieldPath: path}}
			}
			c := &p.Spec.Containers[0]
			c.Env = []corev1.EnvVar{
				{Name: "NAME", ValueFrom: field("metadata.name")}, {Name: "IP", ValueFrom: field("status.podIP")},
				{Name: "GREETING", Value: "hello $(NAME)"},
			}
			c.Args = []string{"$(GREETING) and $$(NAME)"}
		}),
		simplePod("hostnet", shell("sleep 1000"), func(p *corev1.Pod) { p.Spec.HostNetwork = true }),
		simplePod("twins", func(p *corev1.Pod) {
			p.Spec.TerminationGracePeriodSeconds = &short
			p.Spec.Volumes = []corev1.Volume{{Name: "v", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}}}
			mount := []corev1.VolumeMount{{Name: "v", MountPath: "/v"}}
			p.Spec.Containers = []corev1.Container{
				{Name: "one", Image: "busybox:1.36", Command: []string{"sh", "-c", "echo shared > /v/f; sleep 1000"}, VolumeMounts: mount},
				{Name: "two", Image: "busybox:1.36", Command: []string{"sh", "-c", "until cat /v/f; do sleep 0.1; done; sleep 1000"}, VolumeMounts: mount},
			}
		}),
	)
	h.awaitBrief("uid-crash", "Running ready=False c=CrashLoopBackOff/1")
	h.awaitBrief("uid-done", "Succeeded ready=False c=Completed(0)/0")
	h.awaitBrief("uid-failed", "Failed ready=False c=Error(7)/0")
	// The engine does not notice a container that runs out of memory before its
	// start has returned: this one waits for a word.
	h.awaitBrief("uid-oom", "Running ready=True c=running/0")
	h.command("exec", "segno_uid-oom_c_0", "touch", "/go")
	h.awaitBrief("uid-oom", "Failed ready=False c=OOMKilled(137)/0")
	h.awaitBrief("uid-nocommand", "Failed ready=False c=ContainerCannotRun(127)/0")
	pull := h.awaitBrief("uid-noimage", "Pending ready=False c=ImagePullBackOff/0")
	if m := pull.ContainerStatuses[0].State.Waiting.Message; !strings.Contains(m, `Back-off pulling image "nginx:1.91": ErrImagePull: `) {
		t.Errorf("message: %s", m)
	}
	h.awaitBrief("uid-never", "Pending ready=False c=ErrImageNeverPull/0")
	h.awaitBrief("uid-badname", "Pending ready=False c=InvalidImageName/0")
	env := h.awaitBrief("uid-env", "Succeeded ready=False c=Completed(0)/0")
	log := h.get("http://" + h.listener.Addr().String() + "/containerLogs/default/env/c")
	if want := fmt.Sprintf("env %s hello env\nhello env and $(NAME)\n", env.PodIP); log != want {
		t.Errorf("log %q, want %q", log, want)
	}
	hostnet := h.awaitBrief("uid-hostnet", "Running ready=True c=running/0")
	if hostnet.PodIP != "127.0.0.1" {
		t.Errorf("address with the host's network: %s", hostnet.PodIP)
	}
	if inside, outside := h.command("exec", "segno_uid-hostnet_c_0", "readlink", "/proc/self/ns/net"), hosttest.Run(t, "readlink", "/proc/self/ns/net"); inside != outside {
		t.Errorf("network namespace %s, the host's is %s", inside, outside)
	}
	h.awaitBrief("uid-twins", "Running ready=True one=running/0 two=running/0")
	h.await("the volume is shared", func() bool {
		return strings.Contains(h.get("http://"+h.listener.Addr().String()+"/containerLogs/default/twins/two"), "shared\n")
	})
}

// TestTheEngineIsKilled: with live-restore the containers are the same after
// a kill -9 of the engine, and the node says meanwhile that it is not ready.
func TestTheEngineIsKilled(t *testing.T) {
	const name = "agents-kill"
	address := "unix:///run/segno-engine/" + name + "/docker.sock"
	setup := func(args ...string) { hosttest.Run(t, "../setup/engine.sh", args...) }
	setup(name)
	t.Cleanup(func() { setup("--delete", name) })
	hosttest.Run(t, "sh", "-c", "docker -H "+hosttest.Docker(t)+" save nginx:1.8 | docker -H "+address+" load")
	h := newHost(t, address)
	h.plane.apply(t, simplePod("a", nginx))
	status := h.awaitBrief("uid-a", "Running ready=True nginx=running/0")
	id := h.command("inspect", "-f", "{{.Id}} {{.State.StartedAt}}", "segno_uid-a_nginx_0")
	pid, err := os.ReadFile("/run/segno-engine/" + name + "/dockerd.pid")
	if err != nil {
		t.Fatal(err)
	}
	hosttest.Run(t, "kill", "-9", string(bytes.TrimSpace(pid)))
	h.await("the node is not ready", func() bool { return h.ready() == "ContainerRuntimeDown" })
	h.get("http://" + status.PodIP) // nginx does not care
	h.plane.apply(t, simplePod("b", nginx))
	setup(name)
	h.await("the node is ready", func() bool { return h.ready() == "KubeletReady" })
	h.awaitBrief("uid-b", "Running ready=True nginx=running/0")
	if again := h.command("inspect", "-f", "{{.Id}} {{.State.StartedAt}}", "segno_uid-a_nginx_0"); again != id {
		t.Errorf("container %s became %s", id, again)
	}
	if got := h.plane.status("uid-a"); got.PodIP != status.PodIP || brief(got) != brief(status) {
		t.Errorf("status %s became %s", brief(status), brief(got))
	}
	h.get("http://" + status.PodIP)
	h.command("kill", "segno_uid-a_nginx_0") // its events come again
	h.awaitBrief("uid-a", "Running ready=True nginx=running/1")
}

func (h *host) ready() string {
	for _, c := range h.plane.nodeStatus().Conditions {
		if c.Type == corev1.NodeReady {
			return c.Reason
		}
	}
	return ""
}
