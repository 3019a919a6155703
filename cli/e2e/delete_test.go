//go:build host

package e2e

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestN3TwoClustersOnOneMachine share an engine and a name of their nodes, and
// nothing else; deleting one takes along what is its, and nothing of the other's.
func TestN3TwoClustersOnOneMachine(t *testing.T) {
	flags := []string{"--runtime", "docker", "--docker-host", defaultEngine, "--node-name", "same"}
	a, b := up(t, flags...), up(t, flags...)
	for _, c := range []*cluster{a, b} {
		c.segno("create", "deployment", "web", "--image", "nginx:1.7.9")
	}
	ipA, ipB := a.podIP(), b.podIP()
	if !strings.HasPrefix(ipA, "10.244.0.") || !strings.HasPrefix(ipB, "10.245.0.") {
		t.Errorf("the pods have %s and %s", ipA, ipB)
	}
	a.answers(ipA)
	b.answers(ipB)
	notes := a.segno("describe", "pod", "--selector", "app=web")
	a.says(notes, "Pulled", `Container image "nginx:1.7.9" already present on machine`, "Created container: nginx", "Started container nginx", "kubelet")

	third := &cluster{T: t, home: filepath.Join(t.TempDir(), "home"), dir: filepath.Join(t.TempDir(), "data")}
	t.Cleanup(third.clean)
	out, status := third.try("segno", append([]string{"up", "--data-dir", third.dir, "--pod-network-cidr", "10.245.0.0/16"}, flags...)...)
	if status != 1 || !strings.Contains(out, "10.245.0.1/24 on interface sg-") || !strings.Contains(out, "ip link delete sg-") {
		t.Errorf("a network that is in use: status %d: %s", status, out)
	}

	scope := a.scope()
	if links := command(t, "ip", "-o", "link", "show", "type", "bridge"); strings.Count(links, "alias segno cluster "+scope) != 1 {
		t.Errorf("bridges: %s", links)
	}
	if out := a.segno("delete", "--yes", "--data-dir", a.dir); !strings.Contains(out, "Removed its 2 containers.\nRemoved its bridge sg-") || strings.Contains(out, "warning") {
		t.Errorf("delete said: %s", out)
	}
	if left := docker(t, defaultEngine, "ps", "-aq", "--filter", "label=segno.scope="+scope); left != "" {
		t.Errorf("containers left: %s", left)
	}
	if links := command(t, "ip", "-o", "link"); strings.Contains(links, scope) || strings.Count(links, "sgv") != 1 {
		t.Errorf("links left: %s", links)
	}
	if n := len(b.containers(defaultEngine)); n != 2 {
		t.Errorf("the other cluster has %d containers", n)
	}
	b.answers(ipB)
	b.deleteWithoutEngine()
}

// deleteWithoutEngine goes on with the rest, and says what may be left.
func (c *cluster) deleteWithoutEngine() {
	c.Helper()
	scope := c.scope()
	c.Cleanup(func() {
		docker(c.T, defaultEngine, append([]string{"rm", "-f"}, strings.Fields(docker(c.T, defaultEngine, "ps", "-aq", "--filter", "label=segno.scope="+scope))...)...)
	})
	c.segno("down", "--data-dir", c.dir)
	if err := os.WriteFile(filepath.Join(c.dir, "node", "engine"), []byte("unix:///run/no-such-engine.sock\n"), 0o600); err != nil {
		c.Fatal(err)
	}
	out := c.segno("delete", "--yes", "--data-dir", c.dir)
	c.says(out, "warning: containers of the cluster may be left", "label=segno.scope="+scope, "Removed its bridge sg-", "is deleted.")
	if _, err := os.Stat(c.dir); !os.IsNotExist(err) {
		c.Errorf("its data: %v", err)
	}
	if links := command(c.T, "ip", "-o", "link"); strings.Contains(links, "sg-") {
		c.Errorf("links left: %s", links)
	}
}

// podIP is the address of the only pod, once it is ready.
func (c *cluster) podIP() string {
	c.Helper()
	c.segno("wait", "--for=condition=Available", "deployment/web", "--timeout=60s")
	return c.segno("get", "pods", "-l", "app=web", "-o", "jsonpath={.items[0].status.podIP}")
}

func (c *cluster) answers(ip string) {
	c.Helper()
	c.await("nginx answers at "+ip, func() bool { return strings.Contains(page(context.WithoutCancel(c.Context()), ip), "nginx") })
}
