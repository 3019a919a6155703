//go:build host

package e2e

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
)

// envInside tells this program that it is in its own network namespace.
const envInside = "SEGNO_E2E_INSIDE"

// program is the segno under test.
var program string

// TestMain runs the tests in a network namespace of their own: pods' networks
// of clusters that run on this machine already would be in the way, and nothing
// is left of ours. Engines are reached by their sockets, which are files.
func TestMain(m *testing.M) {
	if os.Getenv(envInside) == "" {
		os.Exit(inside())
	}
	status, err := prepared(m.Run)
	if err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		os.Exit(1)
	}
	os.Exit(status)
}

func inside() int {
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), envInside+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGTERM}
	err := cmd.Run()
	var ended *exec.ExitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &ended):
		return max(ended.ExitCode(), 1)
	}
	fmt.Fprintln(os.Stderr, "e2e: make a network namespace:", err)
	return 1
}

// prepared builds segno and runs the tests.
func prepared(run func() int) (int, error) {
	if out, err := exec.Command("ip", "link", "set", "lo", "up").CombinedOutput(); err != nil {
		return 1, fmt.Errorf("loopback: %w: %s", err, out)
	}
	dir, err := os.MkdirTemp("", "segno-e2e-")
	if err != nil {
		return 1, err
	}
	defer os.RemoveAll(dir)
	program = filepath.Join(dir, "segno")
	build := exec.Command("go", "build", "-buildvcs=false", "-o", program, "segno/cli/segno")
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOPROXY=off")
	if out, err := build.CombinedOutput(); err != nil {
		return 1, fmt.Errorf("build segno: %w: %s", err, out)
	}
	return run(), nil
}
