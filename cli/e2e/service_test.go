//go:build host

package e2e

import (
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

const (
	nodeSide, outSide = "192.0.2.1", "192.0.2.2"
	nodePort          = "http://" + nodeSide + ":32600/"
)

// dialer connects from somewhere.
type dialer func(ctx context.Context, network, address string) (net.Conn, error)

// client is one that makes a connection for each question.
func (d dialer) client() *http.Client {
	return &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DialContext: d, DisableKeepAlives: true}}
}

// outside makes a network namespace that is cabled to the node's, and answers how
// one connects from there.
func outside(t *testing.T) dialer {
	t.Helper()
	const space = "segno-e2e-outside"
	command(t, "ip", "netns", "add", space)
	t.Cleanup(func() {
		command(t, "ip", "link", "delete", "outside")
		command(t, "ip", "netns", "delete", space)
	})
	for _, args := range []string{
		"link add outside type veth peer name eth0 netns " + space, "address add " + nodeSide + "/24 dev outside", "link set outside up",
		"-n " + space + " address add " + outSide + "/24 dev eth0", "-n " + space + " link set eth0 up",
	} {
		command(t, "ip", strings.Fields(args)...)
	}
	return func(ctx context.Context, network, address string) (conn net.Conn, err error) {
		done := make(chan struct{})
		go func() {
			defer close(done)
			runtime.LockOSThread() // for good: the thread ends in the other namespace
			var file *os.File
			if file, err = os.Open("/run/netns/" + space); err == nil {
				defer file.Close()
				if err = unix.Setns(int(file.Fd()), unix.CLONE_NEWNET); err == nil {
					conn, err = (&net.Dialer{}).DialContext(ctx, network, address)
				}
			}
		}()
		<-done
		return conn, err
	}
}

// visit answers what an address says, or why it does not.
func visit(client *http.Client, url string) string {
	answer, err := client.Get(url)
	if err != nil {
		return err.Error()
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// ask asks for a page from within a pod. (The image's wget is linked without what
// it would look up names with, and crashes.)
func ask(c *cluster, host, port string) string {
	c.Helper()
	out, _ := c.try("segno", "exec", "asker", "--", "sh", "-c", `printf 'GET / HTTP/1.0\r\n\r\n' | nc -w 3 `+host+" "+port)
	return out
}

// passes has a pod's own web server pass requests on to the Service by its short
// name, and answers its port.
func passes(c *cluster) string {
	c.Helper()
	c.try("segno", "exec", "asker", "--", "sh", "-c",
		`test -e /tmp/pid || { echo "pid /tmp/pid; error_log /tmp/log; events {} http { access_log off; server { listen 8081; `+
			// Whoever asks by nc has said all at once and closes its half, which to nginx is a client that went.
			`location / { proxy_ignore_client_abort on; proxy_pass http://nginx-service; } } }" >/tmp/conf; nginx -c /tmp/conf; }`)
	return "8081"
}

// TestS5TheCoursesService plays the course's nginx-service.yaml: reached by its
// cluster IP and by its name from a pod, and by node port 32600 from outside; also
// while no agent runs, and again after it is back.
func TestS5TheCoursesService(t *testing.T) {
	for _, mode := range []string{"nftables", "userspace"} {
		t.Run(mode, func(t *testing.T) { courseService(t, mode) })
	}
}

func courseService(t *testing.T, mode string) {
	client := outside(t).client()
	c := up(t, "--runtime", "docker", "--docker-host", defaultEngine, "--proxy-mode", mode)
	c.segno("apply", "-f", courseFile, "-f", "testdata/nginx-service.yaml")
	c.segno("run", "asker", "--image=nginx:1.8", "--restart=Never", "--command", "--", "sleep", "3600")
	c.segno("rollout", "status", course, "--timeout=60s")
	c.segno("wait", "--for=condition=Ready", "pod/asker", "--timeout=60s")
	address := c.segno("get", "service", "nginx-service", "-o", "jsonpath={.spec.clusterIP}")

	const welcome = "nginx:1.7.9"
	reached := func(c *cluster) {
		c.Helper()
		c.await("a pod reaches the cluster IP", func() bool { return strings.Contains(ask(c, address, "80"), welcome) })
		c.await("a pod reaches the name", func() bool { return strings.Contains(ask(c, "127.0.0.1", passes(c)), welcome) })
		c.await("node port 32600 is reached from outside", func() bool { return strings.Contains(visit(client, nodePort), welcome) })
	}
	reached(c)
	for range 20 { // each of the pods is on the same bridge as who asks
		if out := ask(c, address, "80"); !strings.Contains(out, welcome) {
			t.Fatalf("a pod heard %s", out)
		}
	}
	c.await("the node says that it serves Services", func() bool {
		return c.segno("get", "nodes", "-o", `jsonpath={.items[0].status.conditions[?(@.type=="ServiceProxy")].status}`) == "True"
	})

	c.kill(c.pid(), syscall.SIGKILL)
	if mode == "nftables" {
		for range 20 {
			if text := visit(client, nodePort); !strings.Contains(text, welcome) {
				t.Fatalf("without an agent, the node port said %s", text)
			}
		}
	}
	c.start()
	reached(c)
	c.segno("delete", "service", "nginx-service")
	c.await("the node port is closed with its Service", func() bool { return strings.Contains(visit(client, nodePort), "refused") })
	c.segno("apply", "-f", "testdata/nginx-service.yaml")
	c.await("node port 32600 is reached again", func() bool { return strings.Contains(visit(client, nodePort), welcome) })

	c.segno("down")
	if out := c.segno("delete", "--yes", "--data-dir", c.dir); strings.Contains(out, "warning") {
		t.Errorf("the end of the cluster: %s", out)
	}
	if text := visit(client, nodePort); !strings.Contains(text, "refused") {
		t.Errorf("after the end of the cluster, the node port says %s", text)
	}
	if out := command(t, "ip", "address", "show", "lo") + command(t, "ip", "route", "show", "table", "local"); strings.Contains(out, "10.96.") {
		t.Errorf("after the end of the cluster: %s", out)
	}
}
