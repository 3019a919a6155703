package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
)

// etcd is one, and a program that writes to it.
type etcd struct {
	process
	endpoint string
	loader   string
}

// startEtcd runs a single etcd with its defaults, which sync every write; nil
// when there is none to compare with.
func startEtcd(b *testing.B) *etcd {
	b.Helper()
	program := foreign("etcd")
	if program == "" {
		b.Log("there is no etcd in SEGNO_CLIENTS: nothing to compare with")
		return nil
	}
	dir := b.TempDir()
	e := &etcd{endpoint: freePort(b), loader: filepath.Join(dir, "etcdload")}
	build := exec.Command("go", "build", "-o", e.loader, ".")
	build.Dir = filepath.Join("..", "..", "tools", "etcdload")
	if out, err := build.CombinedOutput(); err != nil {
		b.Fatalf("build the load for etcd: %v\n%s", err, out)
	}
	client, peer := "http://"+e.endpoint, "http://"+freePort(b)
	cmd := exec.Command(program, "--data-dir", filepath.Join(dir, "data"), "--log-level", "error",
		"--listen-client-urls", client, "--advertise-client-urls", client,
		"--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster", "default="+peer)
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	e.process = process{pid: cmd.Process.Pid}
	b.Cleanup(func() {
		e.signal(b, syscall.SIGTERM)
		_ = cmd.Wait() // by the signal
	})
	eventually(b, "etcd", func(ctx context.Context) (bool, error) {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, client+"/health", nil)
		if err != nil {
			return false, err
		}
		answer, err := http.DefaultTransport.RoundTrip(request)
		if err != nil {
			return false, nil // not yet
		}
		defer answer.Body.Close()
		text, err := io.ReadAll(answer.Body)
		return string(text) == `{"health":"true"}`, err
	})
	return e
}

func (e *etcd) load(b *testing.B, round, writers int) figures {
	b.Helper()
	out, err := exec.Command(e.loader, "-endpoint", e.endpoint, "-prefix", fmt.Sprintf("/load/%d/", round),
		"-writers", strconv.Itoa(writers), "-duration", appendTime.String(), "-size", strconv.Itoa(appendBytes)).Output()
	if err != nil {
		b.Fatalf("load etcd: %v", err)
	}
	var f figures
	if err := json.Unmarshal(out, &f); err != nil {
		b.Fatalf("read the figures of the load: %v", err)
	}
	return f
}

// freePort is an address of this machine on which nobody listens.
func freePort(b *testing.B) string {
	b.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}
