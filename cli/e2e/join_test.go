//go:build host

package e2e

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// joinedNode is the process of a second node.
type joinedNode struct {
	cmd *exec.Cmd
	out bytes.Buffer
}

func (c *cluster) join(args ...string) *joinedNode {
	c.Helper()
	n := &joinedNode{cmd: c.command(context.WithoutCancel(c.Context()), "segno", append([]string{"join"}, args...)...)}
	n.cmd.Stdout, n.cmd.Stderr = &n.out, &n.out
	if err := n.cmd.Start(); err != nil {
		c.Fatal(err)
	}
	c.Cleanup(n.end)
	return n
}

// end is kill -9, once.
func (n *joinedNode) end() {
	if n.cmd.ProcessState == nil {
		_ = n.cmd.Process.Kill() // it may have ended
		_ = n.cmd.Wait()         // it was killed
	}
}

func (c *cluster) ready(node string) string {
	c.Helper()
	return c.segno("get", "nodes", "-o", "jsonpath={.items[?(@.metadata.name=='"+node+"')].status.conditions[?(@.type=='Ready')].status}")
}

func TestN1TwoEnginesAreTwoNodes(t *testing.T) {
	engines := map[string]string{"one": ownEngine(t, "e2e"), "two": ownEngine(t, "e2e2")}
	c := up(t, "--runtime", "docker", "--docker-host", engines["one"], "--node-name", "one",
		"--listen", "127.0.0.1:8443", "--bus-listen", "127.0.0.1:8222", "--node-monitor-grace-period", "15s")
	t.Cleanup(func() {
		for _, engine := range engines {
			c.removeContainers(engine)
		}
	})
	flags := []string{"--name", "two", "--data-dir", filepath.Join(t.TempDir(), "two"), "--docker-host", engines["two"]}

	invitation := strings.Fields(c.segno("token", "create")) // segno join URL --token TOKEN
	if out, status := c.try("segno", append(append([]string{"join"}, invitation[2], "--token", invitation[4]+"x"), flags...)...); status != 1 {
		t.Fatalf("a wrong token: status %d: %s", status, out)
	}
	if out, status := c.try("segno", append([]string{"join"}, flags...)...); status != 1 || !strings.Contains(out, "--token") {
		t.Fatalf("no token: status %d: %s", status, out)
	}
	two := c.join(append(invitation[2:], flags...)...)
	c.await("both nodes are ready", func() bool { return c.ready("one") == "True" && c.ready("two") == "True" })

	c.segno("apply", "-f", courseFile)
	c.segno("scale", course, "--replicas=4")
	c.segno("rollout", "status", course, "--timeout=60s")
	for node, engine := range engines {
		on := strings.Fields(c.segno("get", "pods", "--field-selector=spec.nodeName="+node, "-o", "name"))
		running := c.containers(engine, "label=segno.container=nginx", "label=segno.node="+node)
		if len(on) != 2 || len(running) != 2 {
			t.Errorf("node %s has pods %v in containers %v, want two of four", node, on, running)
		}
	}
	addresses := strings.Fields(c.segno("get", "pods", "-o", "jsonpath={.items[*].status.podIP}"))
	for _, address := range addresses {
		c.says(page(t.Context(), address), "nginx:1.7.9")
	}
	c.looksIntoBoth()
	c.losesANode(two, engines["two"], addresses, flags)
	c.spent(invitation)
}

// looksIntoBoth reads logs and runs commands on both nodes, over the bus.
func (c *cluster) looksIntoBoth() {
	c.Helper()
	for name := range strings.FieldsSeq(c.segno("get", "pods", "-o", "name")) {
		for _, client := range []string{"segno", "kubectl-1.20", "kubectl-1.37"} {
			c.says(c.run(client, "logs", name), "start worker process")
			if got := c.run(client, "exec", strings.TrimPrefix(name, "pod/"), "--", "hostname"); "pod/"+got != name {
				c.Errorf("%s says hostname %s", name, got)
			}
		}
	}
}

// losesANode kills a node's process: its containers go on, its return finds them.
func (c *cluster) losesANode(two *joinedNode, engine string, addresses, flags []string) {
	c.Helper()
	pods, containers := c.pods(), c.containers(engine)
	two.end()
	c.await("the node is Unknown", func() bool { return c.ready("two") == "Unknown" })
	for _, address := range addresses {
		c.says(page(c.Context(), address), "nginx:1.7.9")
	}
	c.says(c.segno("get", "nodes"), "NotReady")

	again := c.join(flags...) // neither address nor token
	c.await("the node is back", func() bool { return c.ready("two") == "True" })
	c.says(again.out.String(), "This machine is the node two")
	c.segno("rollout", "status", course, "--timeout=60s")
	if got := c.containers(engine); !slices.Equal(got, containers) {
		c.Errorf("containers %v, want those of before: %v", got, containers)
	}
	if got := c.pods(); !slices.Equal(got, pods) {
		c.Errorf("pods %v, want those of before: %v", got, pods)
	}
	c.says(c.segno("history", "node/two"), "node:two")
	if err := again.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		c.Fatal(err)
	}
	if err := again.cmd.Wait(); err != nil {
		c.Errorf("a node that is told to stop: %v\n%s", err, again.out.String())
	}
	if got := c.containers(engine); !slices.Equal(got, containers) {
		c.Errorf("containers after a clean stop: %v, want %v", got, containers)
	}
}

// spent has a second machine come with the same token.
func (c *cluster) spent(invitation []string) {
	c.Helper()
	dir := filepath.Join(c.TempDir(), "three")
	out, status := c.try("segno", append(append([]string{"join"}, invitation[2:]...), "--name", "three", "--data-dir", dir, "--docker-host", defaultEngine)...)
	if status != 1 {
		c.Errorf("a token that was used: status %d: %s", status, out)
	}
	if _, err := os.Stat(filepath.Join(dir, "credential.json")); err == nil {
		c.Error("a token that was used gave a credential")
	}
}
