//go:build host

package e2e

import (
	"encoding/json"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"segno/cli/internal/scripting"
)

// TestE8TheIncidentOfTheTour plays docs/tour/host: real containers on two
// engines, and every question about what happened to them.
func TestE8TheIncidentOfTheTour(t *testing.T) {
	engines := map[string]string{"ONE": ownEngine(t, "tour1", "busybox:1.36"), "TWO": ownEngine(t, "tour2", "busybox:1.36")}
	testscript.Run(t, testscript.Params{
		Dir: filepath.Join("..", "..", "docs", "tour", "host"),
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"segno": runSegno, "let": scripting.Let, "await": scripting.Await,
		},
		Setup: func(env *testscript.Env) error {
			home := filepath.Join(env.WorkDir, "home")
			env.Setenv("HOME", env.WorkDir)
			env.Setenv("SEGNO_HOME", home)
			env.Setenv("TZ", "UTC")
			env.Setenv("PATH", filepath.Dir(program)+string(filepath.ListSeparator)+os.Getenv("PATH"))
			for name, engine := range engines {
				env.Setenv("ENGINE_"+name, engine)
			}
			env.Defer(func() { killAll(t, home) })
			return nil
		},
	})
}

// runSegno is the built program as a command of a script.
func runSegno(ts *testscript.TestScript, neg bool, args []string) {
	err := ts.Exec(program, args...)
	switch {
	case err != nil && !neg:
		ts.Fatalf("segno: %v", err)
	case err == nil && neg:
		ts.Fatalf("segno did what it should have refused")
	}
}

// killAll ends what a script has left running; the engines go with the test.
func killAll(t *testing.T, home string) {
	files, err := filepath.Glob(filepath.Join(home, "run", "*.json"))
	if err != nil {
		t.Error(err)
	}
	for _, file := range files {
		var run struct{ PID int }
		data, err := os.ReadFile(file)
		if err == nil {
			err = json.Unmarshal(data, &run)
		}
		if err == nil && alive(run.PID) {
			err = syscall.Kill(run.PID, syscall.SIGKILL)
		}
		if err != nil {
			t.Errorf("end the cluster of %s: %v", file, err)
		}
	}
}
