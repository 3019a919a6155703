package commands

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/moby/term"
	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"segno/cli/contexts"
)

// localTarget chooses a cluster of this machine by its data directory.
type localTarget struct{ dataDir string }

func (t *localTarget) addFlags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&t.dataDir, "data-dir", "", "Data directory of the cluster (default: the one that runs, or "+contexts.DataDir()+")")
}

// find answers the cluster that is meant: the one of the data directory, else
// the only one that runs, else the one of the default directory.
func (t localTarget) find() (contexts.Run, error) {
	runs, err := contexts.Runs()
	if err != nil {
		return contexts.Run{}, err
	}
	wanted := t.dataDir
	if wanted == "" {
		alive, err := aliveRuns()
		if err != nil {
			return contexts.Run{}, err
		}
		switch len(alive) {
		case 0:
			wanted = contexts.DataDir()
		case 1:
			return alive[0], nil
		default:
			return contexts.Run{}, fmt.Errorf("%d clusters run on this machine; say which with --data-dir: %s", len(alive), dirsOf(alive))
		}
	}
	if wanted, err = filepath.Abs(wanted); err != nil {
		return contexts.Run{}, fmt.Errorf("data directory: %w", err)
	}
	for _, run := range runs {
		if run.DataDir == wanted {
			return run, nil
		}
	}
	if _, err := os.Stat(filepath.Join(wanted, "log")); errors.Is(err, fs.ErrNotExist) {
		return contexts.Run{}, fmt.Errorf("no cluster in %s; start one with: segno up%s", wanted, dirFlag(wanted))
	}
	return contexts.Run{Name: clusterName(wanted), DataDir: wanted}, nil
}

// known answers find's cluster for commands that leave it as it is: when none
// is named and none runs, also the one of the current context, wherever it is,
// or the only one there is.
func (t localTarget) known() (contexts.Run, error) {
	alive, err := aliveRuns()
	if err != nil {
		return contexts.Run{}, err
	}
	if t.dataDir != "" || len(alive) > 0 {
		return t.find()
	}
	dir, err := contexts.CurrentDataDir()
	if err != nil {
		return contexts.Run{}, err
	}
	if dir != "" {
		if run, err := (localTarget{dataDir: dir}).find(); err == nil {
			return run, nil
		}
	}
	if run, err := t.find(); err == nil { // no context, or its data is gone
		return run, nil
	}
	return t.onlyStopped()
}

// onlyStopped answers the one stopped cluster that the contexts know.
func (t localTarget) onlyStopped() (contexts.Run, error) {
	dirs, err := contexts.DataDirs()
	if err != nil {
		return contexts.Run{}, err
	}
	var stopped []contexts.Run
	for _, dir := range dirs {
		if run, err := (localTarget{dataDir: dir}).find(); err == nil {
			stopped = append(stopped, run)
		}
	}
	switch len(stopped) {
	case 0:
		return t.find()
	case 1:
		return stopped[0], nil
	default:
		return contexts.Run{}, fmt.Errorf("no cluster runs on this machine; start one of those there are with segno up --data-dir, or say which with --data-dir: %s", dirsOf(stopped))
	}
}

// aliveRuns are the clusters that run on this machine.
func aliveRuns() ([]contexts.Run, error) {
	runs, err := contexts.Runs()
	return slices.DeleteFunc(runs, func(run contexts.Run) bool { return !run.Alive() }), err
}

func dirsOf(runs []contexts.Run) string {
	var dirs []string
	for _, run := range runs {
		dirs = append(dirs, run.DataDir)
	}
	return strings.Join(dirs, ", ")
}

// dirFlag is how a command line names a data directory, with a space before it;
// nothing for the default one.
func dirFlag(dataDir string) string {
	if dataDir == contexts.DataDir() {
		return ""
	}
	return " --data-dir " + dataDir
}

// clusterName is the context of a data directory: the default one is "segno".
func clusterName(dataDir string) string {
	if dataDir == contexts.DataDir() {
		return "segno"
	}
	base := strings.ToLower(strings.Trim(filepath.Base(dataDir), "."))
	if base == "" || base == "segno" || base == "/" {
		return "segno"
	}
	return "segno-" + base
}

// freeName is what the cluster of a data directory is to be called. It refuses
// when that cluster runs already, and avoids the names of others that run.
func freeName(dataDir string) (string, error) {
	runs, err := contexts.Runs()
	if err != nil {
		return "", err
	}
	taken := map[string]bool{}
	for _, run := range runs {
		if !run.Alive() {
			continue
		}
		if run.DataDir == dataDir {
			return "", fmt.Errorf("the cluster %q runs already in %s (process %d); look at it with: segno status, or stop it with: segno down", run.Name, dataDir, run.PID)
		}
		taken[run.Name] = true
	}
	name := clusterName(dataDir)
	for n := 2; taken[name]; n++ {
		name = fmt.Sprintf("%s-%d", clusterName(dataDir), n)
	}
	return name, nil
}

// stopTimeout is how long a cluster may take to stop cleanly.
const stopTimeout = 30 * time.Second

// stopRun ends the process of a cluster, if it lives, and waits for its end.
func stopRun(ctx context.Context, run contexts.Run) error {
	if !run.Alive() {
		return nil
	}
	if err := syscall.Kill(run.PID, syscall.SIGTERM); err != nil {
		return fmt.Errorf("stop the cluster %q (process %d): %w", run.Name, run.PID, err)
	}
	ctx, cancel := context.WithTimeout(ctx, stopTimeout)
	defer cancel()
	return until(ctx, fmt.Sprintf("wait for the cluster %q (process %d) to stop", run.Name, run.PID), func() (bool, error) {
		return !run.Alive(), nil
	})
}

// until asks again and again whether something came true.
func until(ctx context.Context, what string, true func() (bool, error)) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		if done, err := true(); done || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s: %w", what, ctx.Err())
		case <-tick.C:
		}
	}
}

// confirm asks about what is for good.
func confirm(streams genericiooptions.IOStreams, question string) error {
	return agree(streams, question, "this cannot be taken back")
}

// agree asks on a terminal; without one it says how to answer beforehand.
func agree(streams genericiooptions.IOStreams, question, why string) error {
	if !term.IsTerminal(os.Stdin.Fd()) {
		return errors.New(why + "; say --yes to do it without a terminal")
	}
	fmt.Fprint(streams.Out, question, " [y/N] ")
	answer, err := bufio.NewReader(streams.In).ReadString('\n')
	if err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	if !strings.HasPrefix(strings.ToLower(strings.TrimSpace(answer)), "y") {
		return errors.New("nothing was done")
	}
	return nil
}
