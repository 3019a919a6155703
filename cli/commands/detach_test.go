package commands

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"syscall"
	"testing"
	"time"

	"k8s.io/cli-runtime/pkg/genericiooptions"

	"segno/cli/contexts"
)

// TestMain also plays a cluster that takes long to start: a detached one is this
// very program.
func TestMain(m *testing.M) {
	if os.Getenv(detachedVariable) != "" {
		time.Sleep(time.Minute) // it is killed before
		return
	}
	os.Exit(m.Run())
}

// TestU5ALongStartIsNoFailure: who waited long enough is told what goes on, and
// what earlier starts said is kept.
func TestU5ALongStartIsNoFailure(t *testing.T) {
	t.Setenv(contexts.EnvHome, t.TempDir())
	o := upOptions{dataDir: t.TempDir(), detachPatience: time.Millisecond, streams: genericiooptions.NewTestIOStreamsDiscard()}
	const said = "what was said before\n"
	log := filepath.Join(o.dataDir, "segno.log")
	if err := os.WriteFile(log, []byte(said), 0o600); err != nil {
		t.Fatal(err)
	}
	err := o.runDetached(t.Context())
	if err == nil {
		t.Fatal("a cluster that is not ready is said to be there")
	}
	found := regexp.MustCompile(`^the cluster is still starting \(process (\d+)\); .*` + regexp.QuoteMeta(log) + `.* segno status --data-dir `).FindStringSubmatch(err.Error())
	if found == nil {
		t.Fatalf("got %v", err)
	}
	pid, err := strconv.Atoi(found[1])
	if err == nil {
		err = syscall.Kill(pid, syscall.SIGKILL)
	}
	if err != nil {
		t.Error(err)
	}
	if kept, err := os.ReadFile(log); err != nil || string(kept) != said {
		t.Errorf("the log: %q, %v", kept, err)
	}
	if readFrom(log, 5) != said[5:] || readFrom(log, 1000) != "" {
		t.Error("what is new in the log is not what follows the old")
	}
}
