package commands

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/spf13/pflag"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"segno/cli/contexts"
)

// TestMain also plays a cluster that takes long to start: a detached one is this
// very program.
func TestMain(m *testing.M) {
	if os.Getenv(detachedVariable) != "" {
		if os.Getenv(speaksLate) == "" {
			time.Sleep(time.Minute) // it is killed before
			return
		}
		up := newUp(genericiooptions.IOStreams{Out: late{os.Stdout}, ErrOut: os.Stderr})
		up.SetArgs(os.Args[2:])
		if up.Execute() != nil {
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// speaksLate makes a cluster that is played one whose words take their time.
const speaksLate = "SEGNO_TEST_SPEAKS_LATE"

type late struct{ out io.Writer }

func (l late) Write(text []byte) (int, error) {
	time.Sleep(50 * time.Millisecond)
	return l.out.Write(text)
}

// TestU5ADetachedClusterIsHeardOut: what it says when it is ready is shown to the
// end, however long after its run file that is written.
func TestU5ADetachedClusterIsHeardOut(t *testing.T) {
	t.Setenv(contexts.EnvHome, t.TempDir())
	t.Setenv(speaksLate, "yes")
	streams, _, out, _ := genericiooptions.NewTestIOStreams()
	flags := pflag.NewFlagSet("up", pflag.ContinueOnError)
	flags.String("runtime", "", "")
	flags.StringSlice("nodeport-addresses", nil, "")
	if err := flags.Parse([]string{"--runtime", "simulated", "--nodeport-addresses", "192.0.2.0/24,2001:db8::/32"}); err != nil {
		t.Fatal(err)
	}
	o := upOptions{dataDir: filepath.Join(t.TempDir(), "late"), flags: flags, detachPatience: time.Minute, streams: streams}
	err := o.runDetached(t.Context())
	run, runErr := localTarget{dataDir: o.dataDir}.find()
	if runErr == nil {
		runErr = stopRun(t.Context(), run)
	}
	if err := errors.Join(err, runErr); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`the cluster "segno-late" is up`, "SIMULATED", "segno history deployment/web\n", "It runs in the background"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is missing in what is shown:\n%s", want, out)
		}
	}
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
