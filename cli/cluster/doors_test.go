package cluster

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"segno/agents/runtime/simulated"
	"segno/bus"
	"segno/cli/internal/serve"
	"segno/proto"
)

func TestN5LogsComeFromTheNodeOverTheBus(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, _ := newWorld(t, Config{Nodes: 2})
		w.run("talks", map[string]string{simulated.Log: "hello\nworld"})
		w.within(time.Minute, "it runs", func() bool { return ready(w.pods(), "") == 1 })
		pods := w.client.CoreV1().Pods(space)
		text, err := pods.GetLogs("talks", &corev1.PodLogOptions{}).DoRaw(w.ctx)
		if err != nil || !strings.Contains(string(text), "hello\nworld\n") {
			t.Errorf("logs: %q, %v", text, err)
		}

		stream, err := pods.GetLogs("talks", &corev1.PodLogOptions{Follow: true}).Stream(w.ctx)
		if err != nil {
			t.Fatal(err)
		}
		ended := make(chan string, 1)
		go func() {
			all, err := io.ReadAll(stream)
			if err != nil {
				all = append(all, err.Error()...)
			}
			ended <- string(all)
		}()
		if err := pods.Delete(w.ctx, "talks", metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
		if followed := <-ended; !strings.Contains(followed, "world\n") {
			t.Errorf("followed logs: %q", followed)
		}
	})
}

func TestN5PeopleReachTheAPIOverTheBus(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, stop := newWorld(t, Config{Nodes: 2})
		admin, closeAdmin := w.overBus(adminUser)
		w.run("early", nil)
		w.within(time.Minute, "a node is there", func() bool { return ready(w.pods(), "") == 1 })
		answer, err := admin.Get("http://segno/api/v1/nodes")
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(answer.Body)
		_ = answer.Body.Close()
		if err != nil || answer.StatusCode != http.StatusOK || !strings.Contains(string(body), "sim-1") {
			t.Errorf("nodes over the bus: %s, %v: %s", answer.Status, err, body)
		}

		bob, closeBob := w.overBus("bob")
		refused, err := bob.Get("http://segno/api/v1/nodes")
		if err != nil {
			t.Fatal(err)
		}
		_ = refused.Body.Close()
		if refused.StatusCode != http.StatusForbidden {
			t.Errorf("nodes for somebody without rights: %s, want them forbidden", refused.Status)
		}
		closeBob()

		// A watch streams, and does not keep the cluster from stopping.
		watch, err := admin.Get("http://segno" + podsPath + "?watch=true")
		if err != nil {
			t.Fatal(err)
		}
		w.run("seen", nil)
		lines := bufio.NewScanner(watch.Body)
		for lines.Scan() && !strings.Contains(lines.Text(), `"seen"`) {
		}
		if lines.Err() != nil {
			t.Errorf("the watch broke off: %v", lines.Err())
		}
		started := time.Now()
		stop()
		if took := time.Since(started); took > serve.Grace {
			t.Errorf("with a watch open the cluster stopped after %s", took)
		}
		for lines.Scan() { // to its end, which has to come
		}
		_ = watch.Body.Close()
		closeAdmin()
	})
}

// overBus is a client of the API that is connected to nothing but the bus.
func (w *world) overBus(user string) (client *http.Client, stop func()) {
	w.t.Helper()
	credential, err := bus.NewCredential(proto.Actor("user:" + user))
	if err != nil {
		w.t.Fatal(err)
	}
	server := w.cluster.server
	if err := server.Identities().Add(bus.Identity{Role: bus.RolePerson, Name: user, Public: credential.Public}); err != nil {
		w.t.Fatal(err)
	}
	conn, err := bus.Connect(w.ctx, bus.ConnectConfig{Server: server, Name: user, Actor: credential.Actor, Seed: credential.Seed})
	if err != nil {
		w.t.Fatal(err)
	}
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return bus.Dial(ctx, conn, proto.UserDial(user))
	}}
	return &http.Client{Transport: transport}, func() {
		transport.CloseIdleConnections()
		conn.Close()
	}
}

func TestU4StoppedBeforeItStarted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, err := New(Config{})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := c.Run(ctx); err != nil {
			t.Errorf("Run: %v", err)
		}
	})
}

// A control plane that cannot keep what happens has to end, not to go on
// without memory.
func TestU4EndsWhenItsFoldIsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ready := make(chan struct{})
		c, err := New(Config{Ready: func(Info) { close(ready) }})
		if err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() { ended <- c.Run(t.Context()) }()
		<-ready
		if err := c.ledgers.events().Close(); err != nil {
			t.Fatal(err)
		}
		select {
		case err := <-ended:
			if err == nil {
				t.Error("Run ended without an error")
			}
		case <-time.After(time.Hour):
			t.Error("Run goes on without its fold")
		}
	})
}
