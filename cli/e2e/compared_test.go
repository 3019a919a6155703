//go:build host

package e2e

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestE6TheSameQuestionsAskedEtcd keeps docs/compared.md true: what etcd says of a
// version once it is compacted, and what segno says of the same.
func TestE6TheSameQuestionsAskedEtcd(t *testing.T) {
	etcd := startEtcd(t)
	key := base64.StdEncoding.EncodeToString([]byte("/registry/deployments/default/web"))
	for _, replicas := range []string{"3", "5", "0"} {
		etcd.post("put", `{"key":%q,"value":%q}`, key, base64.StdEncoding.EncodeToString([]byte(replicas)))
	}
	if got, want := etcd.post("range", `{"key":%q,"revision":3}`, key), base64.StdEncoding.EncodeToString([]byte("5")); !strings.Contains(got, want) {
		t.Errorf("before the compaction: %s", got)
	}
	etcd.post("compaction", `{"revision":4}`)
	if got := etcd.post("range", `{"key":%q,"revision":3}`, key); !strings.Contains(got, "etcdserver: mvcc: required revision has been compacted") {
		t.Errorf("after the compaction: %s", got)
	}

	c := up(t, simulated...)
	c.segno("create", "deployment", "web", "--image=nginx", "--replicas=3")
	c.segno("scale", "deployment/web", "--replicas=5")
	five := c.segno("get", "deployment", "web", "-o", "jsonpath={.metadata.resourceVersion}")
	c.segno("scale", "deployment/web", "--replicas=0")
	if got := c.segno("get", "deployment", "web", "--at", five, "-o", "jsonpath={.spec.replicas}"); got != "5" {
		t.Errorf("segno says that it had %s replicas", got)
	}
}

// etcd is one that lives as long as the test.
type etcd struct {
	t   *testing.T
	url string
}

func startEtcd(t *testing.T) etcd {
	t.Helper()
	client, peer := freeAddress(t), freeAddress(t)
	ctx, stop := context.WithCancel(context.Background())
	var words bytes.Buffer
	cmd := exec.CommandContext(ctx, filepath.Join(clients(t), "etcd"), "--data-dir", t.TempDir(),
		"--listen-client-urls", "http://"+client, "--advertise-client-urls", "http://"+client,
		"--listen-peer-urls", "http://"+peer, "--initial-advertise-peer-urls", "http://"+peer, "--initial-cluster", "default=http://"+peer)
	cmd.Stdout, cmd.Stderr = &words, &words
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stop()
		_ = cmd.Wait() // it was killed
		if t.Failed() {
			t.Logf("etcd's own words:\n%s", words.String())
		}
	})
	e := etcd{t: t, url: "http://" + client}
	for deadline := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		if answer, err := http.Get(e.url + "/health"); err == nil {
			_ = answer.Body.Close()
			return e
		}
		if time.Now().After(deadline) {
			t.Fatal("etcd does not answer")
		}
	}
}

func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

// post calls etcd's key-value API and answers what it says, be it an error.
func (e etcd) post(what, format string, args ...any) string {
	e.t.Helper()
	answer, err := http.Post(e.url+"/v3/kv/"+what, "application/json", strings.NewReader(fmt.Sprintf(format, args...)))
	if err != nil {
		e.t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		e.t.Fatal(err)
	}
	return string(text)
}
