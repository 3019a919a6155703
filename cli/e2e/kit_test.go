//go:build host

package e2e

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// patience is how long anything may take; what is over sooner costs no more.
const patience = 60 * time.Second

// simulated are the flags of a cluster that needs no engine.
var simulated = []string{"--runtime", "simulated"}

// cluster is one that runs in the background, as `segno up --detach` leaves it.
type cluster struct {
	*testing.T
	home, dir string
	flags     []string
	space     string // network namespace that programs run in; empty is the test's own
}

// up starts a cluster of its own; nothing of it is left after the test.
func up(t *testing.T, flags ...string) *cluster {
	t.Helper()
	root := t.TempDir()
	c := &cluster{T: t, home: filepath.Join(root, "home"), dir: filepath.Join(root, "data"), flags: flags}
	t.Cleanup(c.clean)
	c.start()
	return c
}

func (c *cluster) start() {
	c.Helper()
	c.segno(append([]string{"up", "--detach", "--data-dir", c.dir}, c.flags...)...)
	c.await("the cluster answers", func() bool {
		out, status := c.try("segno", "get", "--raw", "/readyz")
		return status == 0 && strings.Contains(out, "ok")
	})
}

func (c *cluster) clean() {
	if c.Failed() {
		log, _ := os.ReadFile(filepath.Join(c.dir, "segno.log"))
		c.Logf("the cluster's own words:\n%s", log)
	}
	if pid := c.pid(); pid != 0 {
		c.kill(pid, syscall.SIGKILL)
	}
	c.removeContainers(defaultEngine)
}

// pid is the cluster's process as its run file has it; 0 when it does not run.
func (c *cluster) pid() int {
	data, err := os.ReadFile(filepath.Join(c.home, "run", "segno-data.json"))
	if err != nil {
		return 0
	}
	var run struct{ PID int }
	if err := json.Unmarshal(data, &run); err != nil {
		c.Fatalf("read the run file: %v", err)
	}
	return run.PID
}

// kill signals a process and waits for its end.
func (c *cluster) kill(pid int, sig syscall.Signal) {
	c.Helper()
	err := syscall.Kill(pid, sig)
	if errors.Is(err, syscall.ESRCH) {
		return
	}
	if err != nil {
		c.Fatalf("signal %d to %d: %v", sig, pid, err)
	}
	c.await("the process ends", func() bool { return !alive(pid) })
}

// alive is false for a process that has ended, be it that its parent has not looked.
func alive(pid int) bool {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	return err == nil && !regexp.MustCompile(`\) [ZX] `).Match(stat)
}

// scope is what tells the cluster's containers from others: the beginning of
// its authority's fingerprint.
func (c *cluster) scope() string {
	c.Helper()
	data, err := os.ReadFile(filepath.Join(c.dir, "pki", "ca.crt"))
	if err != nil {
		return ""
	}
	block, _ := pem.Decode(data)
	if block == nil {
		c.Fatal("the authority is not PEM")
	}
	sum := sha256.Sum256(block.Bytes)
	return hex.EncodeToString(sum[:])[:12]
}

// try runs segno, or a kubectl with the cluster's kubeconfig, and answers all
// that it said and its exit status.
func (c *cluster) try(client string, args ...string) (string, int) {
	c.Helper()
	return c.feed(client, nil, args...)
}

func (c *cluster) feed(client string, stdin []byte, args ...string) (string, int) {
	c.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c.Context()), 2*patience)
	defer cancel()
	cmd := c.command(ctx, client, args...)
	cmd.Stdin = bytes.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	var ended *exec.ExitError
	if err != nil && !errors.As(err, &ended) {
		c.Fatalf("%s %v: %v", client, args, err)
	}
	return string(out), cmd.ProcessState.ExitCode()
}

func (c *cluster) command(ctx context.Context, client string, args ...string) *exec.Cmd {
	c.Helper()
	path := program
	if client != "segno" {
		path = filepath.Join(clients(c.T), client)
		args = append([]string{"--kubeconfig", filepath.Join(c.dir, "kubeconfig")}, args...)
	}
	if c.space != "" {
		path, args = "nsenter", append([]string{"--net=" + spaceFile(c.space), path}, args...)
	}
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Env = []string{"HOME=" + c.home, "SEGNO_HOME=" + c.home, "PATH=" + os.Getenv("PATH"), "TZ=UTC"}
	cmd.WaitDelay = time.Second
	return cmd
}

// clients is the folder of stock kubectls.
func clients(t *testing.T) string {
	t.Helper()
	dir := os.Getenv("SEGNO_CLIENTS")
	if dir == "" {
		dir, _ = filepath.Abs("../../.cache/clients")
	}
	if _, err := os.Stat(filepath.Join(dir, "kubectl-1.20")); err != nil {
		t.Fatalf("no stock clients in %s; run setup/clients.sh there, or set SEGNO_CLIENTS: %v", dir, err)
	}
	return dir
}

// run is try for what must succeed.
func (c *cluster) run(client string, args ...string) string {
	c.Helper()
	out, status := c.try(client, args...)
	if status != 0 {
		c.Fatalf("%s %s: status %d\n%s", client, strings.Join(args, " "), status, out)
	}
	return strings.TrimSpace(out)
}

func (c *cluster) segno(args ...string) string {
	c.Helper()
	return c.run("segno", args...)
}

// await polls until something is true. Who waits in vain is told what it was last.
func (c *cluster) await(what string, true func() bool, last ...func() string) {
	c.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); <-tick.C {
		if true() {
			return
		}
	}
	for _, is := range last {
		what += "\n" + is()
	}
	c.Fatalf("not within %s: %s", patience, what)
}

// seq is the newest sequence of the log.
func (c *cluster) seq() int {
	c.Helper()
	var list struct {
		Metadata struct{ ResourceVersion string }
	}
	text := c.segno("get", "--raw", "/api/v1/namespaces")
	if err := json.Unmarshal([]byte(text), &list); err != nil {
		c.Fatalf("read a list: %v\n%s", err, text)
	}
	return c.number(list.Metadata.ResourceVersion)
}

func (c *cluster) number(text string) int {
	c.Helper()
	n, err := strconv.Atoi(text)
	if err != nil {
		c.Fatalf("%q is no number", text)
	}
	return n
}

// says fails unless the text has every one of the parts.
func (c *cluster) says(text string, parts ...string) {
	c.Helper()
	for _, part := range parts {
		if !strings.Contains(text, part) {
			const most = 3000
			c.Errorf("%q is missing in:\n%.*s", part, most, text)
		}
	}
}

// with runs a part of the test under its own name.
func (c *cluster) with(name string, test func(c *cluster)) {
	c.Run(name, func(t *testing.T) {
		part := *c
		part.T = t
		test(&part)
	})
}

// settled is what verify says of the EVENTS log when nothing more happens.
func settled(c *cluster) (verified string) {
	c.Helper()
	c.await("nothing more happens", func() bool {
		last := verified
		verified = ofEvents(c.segno("verify"))
		return verified == last
	})
	return verified
}

// ofEvents cuts verify's answer down to the log that is the truth.
func ofEvents(text string) string {
	events, _, _ := strings.Cut(text, "NOTES")
	return strings.TrimSpace(events)
}
