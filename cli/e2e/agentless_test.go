//go:build host

package e2e

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// talk is one connection to a web server on which one question follows another.
type talk struct {
	name  string
	conn  net.Conn
	reads *bufio.Reader
	asked int
}

// ask asks once more.
func (k *talk) ask() error {
	if err := k.conn.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
		return err
	}
	if _, err := io.WriteString(k.conn, "GET / HTTP/1.1\r\nHost: course\r\n\r\n"); err != nil {
		return fmt.Errorf("%s, question %d: %w", k.name, k.asked, err)
	}
	answer, err := http.ReadResponse(k.reads, nil)
	if err != nil {
		return fmt.Errorf("%s, answer %d: %w", k.name, k.asked, err)
	}
	defer answer.Body.Close()
	k.asked++
	text, err := io.ReadAll(answer.Body)
	if err == nil && !strings.Contains(string(text), "nginx:1.7.9") {
		err = fmt.Errorf("%s says %q", k.name, text)
	}
	return err
}

// TestS5KillingTheAgentLeavesTrafficFlowing: connections that there are go on
// while a killed agent is away and while the next one adopts what it finds, and so
// do new ones.
func TestS5KillingTheAgentLeavesTrafficFlowing(t *testing.T) {
	from := outside(t)
	command(t, "ip", "route", "add", "default", "via", outSide) // nobody comes that far: a cluster IP is led elsewhere before
	c := up(t, "--runtime", "docker", "--docker-host", defaultEngine, "--proxy-mode", "nftables")
	c.segno("apply", "-f", courseFile, "-f", "testdata/nginx-service.yaml")
	c.segno("rollout", "status", course, "--timeout=60s")
	c.await("node port 32600 is reached from outside", func() bool { return strings.Contains(visit(from.client(), nodePort), "nginx:1.7.9") })
	address := c.segno("get", "service", "nginx-service", "-o", "jsonpath={.spec.clusterIP}")

	open := func(name string, dial dialer, address string) *talk {
		conn, err := dial(t.Context(), "tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		return &talk{name: name, conn: conn, reads: bufio.NewReader(conn)}
	}
	node := dialer((&net.Dialer{}).DialContext)
	old := []*talk{open("a node port", from, nodeSide+":32600"), open("a cluster IP", node, address+":80")}
	flows := func() error {
		for _, k := range old {
			if err := k.ask(); err != nil {
				return err
			}
		}
		for what, said := range map[string]string{"node port": visit(from.client(), nodePort), "cluster IP": visit(node.client(), "http://"+address)} {
			if !strings.Contains(said, "nginx:1.7.9") {
				return fmt.Errorf("a new connection to the %s: %s", what, said)
			}
		}
		return nil
	}
	if err := flows(); err != nil {
		t.Fatal(err)
	}
	if log, err := os.ReadFile(filepath.Join(c.dir, "segno.log")); err != nil || bytes.Contains(log, []byte("level=WARN")) || bytes.Contains(log, []byte("level=ERROR")) {
		t.Errorf("a healthy start says %s, %v", log, err)
	}
	before := c.containers(defaultEngine)

	c.kill(c.pid(), syscall.SIGKILL)
	for range 20 {
		if err := flows(); err != nil {
			t.Fatalf("without an agent: %v", err)
		}
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		tick := time.NewTicker(50 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				ended <- ctx.Err()
				return
			case <-tick.C:
			}
			if err := flows(); err != nil {
				ended <- err
				return
			}
		}
	}()
	c.start()
	c.segno("expose", course, "--name=second", "--port=80", "--type=NodePort", "--overrides", `{"spec":{"ports":[{"port":80,"targetPort":80,"nodePort":32601}]}}`)
	c.await("the new agent serves what is new", func() bool {
		return strings.Contains(visit(from.client(), "http://"+nodeSide+":32601/"), "nginx:1.7.9")
	})
	stop()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("while the next agent took over: %v", err)
	}
	if err := flows(); err != nil {
		t.Errorf("with the next agent: %v", err)
	}
	if after := c.containers(defaultEngine); fmt.Sprint(after) != fmt.Sprint(before) {
		t.Errorf("containers %v became %v", before, after)
	}
}
