//go:build host

package e2e

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
)

// deployed applies the course's deployment and waits until it is there.
func (c *cluster) deployed() {
	c.Helper()
	c.segno("apply", "-f", courseFile)
	c.segno("rollout", "status", course, "--timeout=60s")
}

// names of the running pods, with their restart counts.
func (c *cluster) pods() []string {
	c.Helper()
	out := c.segno("get", "pods", "-o", "jsonpath={range .items[*]}{.metadata.name}={.status.containerStatuses[0].restartCount}{' '}{end}")
	lines := strings.Fields(out)
	slices.Sort(lines)
	return lines
}

func TestP4AKilledContainerIsRestarted(t *testing.T) {
	c := up(t, "--runtime", "docker", "--docker-host", defaultEngine)
	c.deployed()
	pod, _, _ := strings.Cut(c.pods()[0], "=")
	address := c.segno("get", "pod", pod, "-o", "jsonpath={.status.podIP}")
	c.await("it answers", func() bool { return strings.Contains(page(t.Context(), address), "nginx:1.7.9") })
	before := c.seq()
	victim := c.containers(defaultEngine, "label=segno.pod="+pod, "label=segno.container=nginx")
	docker(t, defaultEngine, "kill", victim[0])

	c.await("the pod counts a restart and answers where it did", func() bool {
		return slices.Contains(c.pods(), pod+"=1") && strings.Contains(page(t.Context(), address), "nginx:1.7.9")
	})
	if now := c.containers(defaultEngine, "label=segno.pod="+pod, "label=segno.container=nginx"); len(now) != 1 || now[0] == victim[0] {
		t.Errorf("containers %v after %v was killed, want one that is new", now, victim)
	}
	ended := c.segno("get", "pod", pod, "-o", "jsonpath={.status.containerStatuses[0].lastState.terminated.exitCode}")
	if ended != "137" {
		t.Errorf("the last state's exit code is %s, want 137", ended)
	}
	if got := c.segno("get", "pod", pod, "--at", fmt.Sprint(before), "-o", "jsonpath={.status.containerStatuses[0].restartCount}"); got != "0" {
		t.Errorf("before the kill the pod had %s restarts, want 0", got)
	}
	for _, client := range []string{"segno", "kubectl-1.20", "kubectl-1.37"} {
		previous := c.run(client, "logs", pod, "--previous")
		c.says(previous, "start worker process", `"GET / HTTP/1.1" 200`)
	}
	c.says(c.segno("describe", "pod", pod), "Restart Count:  1")
}

func TestP4AnEngineThatDiesLeavesItsContainers(t *testing.T) {
	const name = "e2e"
	engine := ownEngine(t, name)
	c := up(t, "--runtime", "docker", "--docker-host", engine)
	t.Cleanup(func() { c.removeContainers(engine) })
	c.deployed()
	pods, containers := c.pods(), c.containers(engine)
	addresses := strings.Fields(c.segno("get", "pods", "-o", "jsonpath={.items[*].status.podIP}"))

	c.kill(enginePID(t, name), syscall.SIGKILL)
	for _, address := range addresses {
		c.says(page(t.Context(), address), "nginx:1.7.9") // without the engine
	}
	c.await("the node says that its engine is gone", func() bool {
		return c.segno("get", "node", "-o", "jsonpath={.items[0].status.conditions[?(@.type=='Ready')].status}") == "False"
	})
	c.says(c.segno("describe", "node"), "container engine does not answer")
	command(t, "../../setup/engine.sh", name)

	c.await("the node is ready again", func() bool {
		return c.segno("get", "node", "-o", "jsonpath={.items[0].status.conditions[?(@.type=='Ready')].status}") == "True"
	})
	c.segno("rollout", "status", course, "--timeout=60s")
	if got := c.containers(engine); !slices.Equal(got, containers) {
		t.Errorf("containers %v, want those of before: %v", got, containers)
	}
	if got := c.pods(); !slices.Equal(got, pods) {
		t.Errorf("pods %v, want those of before: %v", got, pods)
	}
	c.segno("scale", course, "--replicas=4")
	c.segno("rollout", "status", course, "--timeout=60s")
}

func TestE1AcknowledgedWritesOutliveAKilledControlPlane(t *testing.T) {
	c := up(t, "--runtime", "docker", "--docker-host", defaultEngine, "--listen", "127.0.0.1:7443")
	c.deployed()
	pods, containers := c.pods(), c.containers(defaultEngine)

	acknowledged := c.writeUntilKilled(500)
	c.start()
	if out := c.segno("verify"); strings.Contains(out, "WRONG") {
		t.Errorf("verify:\n%s", out)
	}
	there := strings.Fields(c.segno("get", "configmaps,leases", "-o", "name"))
	t.Logf("%d writes were acknowledged, %d are there", len(acknowledged), len(there))
	for _, name := range acknowledged {
		if !slices.Contains(there, name) {
			t.Errorf("%s was acknowledged and is lost", name)
		}
	}
	if got := c.containers(defaultEngine); !slices.Equal(got, containers) {
		t.Errorf("containers %v, want those of before: %v", got, containers)
	}
	if got := c.pods(); !slices.Equal(got, pods) {
		t.Errorf("pods %v, want those of before: %v", got, pods)
	}
	c.segno("scale", course, "--replicas=4")
	c.segno("rollout", "status", course, "--timeout=60s")
	c.says(c.segno("get", "nodes"), " Ready ")
}

// writeUntilKilled has 500 writers at once, of ConfigMaps and of Leases, kills the
// control plane when a few hundred are answered, and tells which were.
func (c *cluster) writeUntilKilled(writers int) (acknowledged []string) {
	c.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", c.dir+"/kubeconfig")
	if err != nil {
		c.Fatal(err)
	}
	config.QPS = -1
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		c.Fatal(err)
	}
	var (
		all   sync.WaitGroup
		lock  sync.Mutex
		count atomic.Int64
		pid   = c.pid()
	)
	for writer := range writers {
		all.Go(func() {
			for n := 0; ; n++ {
				meta := metav1.ObjectMeta{Name: fmt.Sprintf("w%d-%d", writer, n)}
				var err error
				name := "configmap/" + meta.Name
				if n%2 == 0 {
					cm := &corev1.ConfigMap{ObjectMeta: meta, Data: map[string]string{"n": fmt.Sprint(n)}}
					_, err = client.CoreV1().ConfigMaps("default").Create(c.Context(), cm, metav1.CreateOptions{})
				} else {
					name = "lease.coordination.k8s.io/" + meta.Name
					_, err = client.CoordinationV1().Leases("default").Create(c.Context(), &coordinationv1.Lease{ObjectMeta: meta}, metav1.CreateOptions{})
				}
				if err != nil {
					return // it is dead
				}
				lock.Lock()
				acknowledged = append(acknowledged, name)
				lock.Unlock()
				count.Add(1)
			}
		})
	}
	c.await("writes are answered", func() bool { return count.Load() >= int64(2*writers) })
	c.kill(pid, syscall.SIGKILL)
	all.Wait()
	return acknowledged
}
