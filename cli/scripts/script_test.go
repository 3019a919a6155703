package scripts

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"segno/agents"
	"segno/cli/commands"
	"segno/cli/contexts"
	"segno/cli/internal/scripting"
)

var update = flag.Bool("update", false, "write what the scripts compare with anew")

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"segno": playSegno})
}

// playSegno is the program segno, played by the test binary.
func playSegno() {
	if len(os.Args) == 2 && os.Args[1] == "pause" {
		agents.Pause(context.Background())
		return
	}
	os.Exit(commands.Execute(context.Background(), os.Args))
}

func TestScripts(t *testing.T) { runScripts(t, "testdata", setUp) }

// TestTours runs what the documentation walks through; a tour begins on a fresh
// cluster.
func TestTours(t *testing.T) {
	runScripts(t, filepath.Join("..", "..", "docs", "tour"), func(env *testscript.Env) error {
		if err := setUp(env); err != nil {
			return err
		}
		up := exec.Command("segno", "up", "--detach", "--runtime", "simulated")
		up.Dir, up.Env = env.Cd, env.Vars
		if out, err := up.CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w\n%s", up, err, out)
		}
		return nil
	})
}

func runScripts(t *testing.T, dir string, setUp func(*testscript.Env) error) {
	testscript.Run(t, testscript.Params{
		Dir: dir, UpdateScripts: *update, RequireUniqueNames: true,
		Setup: setUp,
		Cmds:  map[string]func(*testscript.TestScript, bool, []string){"let": scripting.Let, "await": scripting.Await, "forge": forge, "tamper": tamper, "natsserver": natsServer},
	})
}

// setUp gives a script a home of its own, and ends the clusters that the script
// leaves behind.
func setUp(env *testscript.Env) error {
	home := filepath.Join(env.WorkDir, "home")
	env.Setenv("SEGNO_HOME", home)
	env.Setenv("HOME", env.WorkDir)
	env.Setenv("TZ", "UTC")
	env.Setenv("SHELL", "/bin/sh")
	env.Defer(func() {
		if err := stopClusters(home); err != nil {
			env.T().Log(err)
		}
	})
	return nil
}

// stopClusters ends the clusters whose run files are in a home.
func stopClusters(home string) error {
	files, err := filepath.Glob(filepath.Join(home, "run", "*.json"))
	if err != nil {
		return fmt.Errorf("list run files: %w", err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			return fmt.Errorf("read the run file: %w", err)
		}
		var run contexts.Run
		if err := json.Unmarshal(data, &run); err != nil {
			return fmt.Errorf("read the run file %s: %w", file, err)
		}
		if err := stop(run); err != nil {
			return fmt.Errorf("stop the cluster %q (process %d): %w", run.Name, run.PID, err)
		}
	}
	return nil
}

// stop asks a cluster to end, and insists after a while: its data goes anyway.
func stop(run contexts.Run) error {
	const patience, glance = 5 * time.Second, 5 * time.Millisecond
	for waited, signal := time.Duration(0), syscall.SIGTERM; run.Alive(); waited += glance {
		if waited == patience {
			signal = syscall.SIGKILL
		}
		if waited == 0 || waited == patience {
			if err := syscall.Kill(run.PID, signal); err != nil {
				return err
			}
		}
		time.Sleep(glance)
	}
	return nil
}
