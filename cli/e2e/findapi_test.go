//go:build host

package e2e

import (
	"strings"
	"testing"
)

// TestS7PodsFindTheAPI by name, by address and by the variables that clients look
// for, once it listens where nodes reach it; and without telling, it does not.
func TestS7PodsFindTheAPI(t *testing.T) {
	outside(t) // gives this machine an address
	c := up(t, "--runtime", "docker", "--docker-host", defaultEngine, "--proxy-mode", "nftables", "--listen", "0.0.0.0:0")
	if leads := c.segno("get", "endpoints", "kubernetes", "-o", "jsonpath={.subsets[0].addresses[0].ip}"); leads != nodeSide {
		t.Errorf("the API's Service leads to %q", leads)
	}
	c.segno("run", "asker", "--image=nginx:1.8", "--restart=Never", "--command", "--", "sleep", "3600")
	c.segno("wait", "--for=condition=Ready", "pod/asker", "--timeout=60s")
	c.says(c.segno("exec", "asker", "--", "env"), "KUBERNETES_SERVICE_HOST=10.96.0.1", "KUBERNETES_SERVICE_PORT=443")
	c.await("a pod reaches the API", func() bool { return strings.Contains(ask(c, "10.96.0.1", "443"), "HTTPS server") })
	c.await("a pod finds its name", func() bool {
		out, _ := c.try("segno", "exec", "asker", "--", "nslookup", "kubernetes.default.svc.cluster.local")
		return strings.Contains(out, "10.96.0.1")
	})

	c.segno("down")
	c.flags = nil // the API is its own machine's again
	c.start()
	if out, status := c.try("segno", "get", "endpoints", "kubernetes"); status == 0 {
		t.Errorf("an API that only its own machine reaches has %s", out)
	}
}
