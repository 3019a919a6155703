// Package hosttest finds the real engine that tests run on.
//
// What comes in: the environment. What goes out: addresses, and failed tests
// that say what is missing. What never happens here: an installation; that is
// done by the scripts in the folder setup.
//
// All of it is in this file.
package hosttest

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// Docker answers the address of the engine to test on: SEGNO_TEST_DOCKER, or
// the one that setup/engine.sh starts. It must have the images of
// setup/images.sh.
func Docker(t testing.TB) string {
	t.Helper()
	host := os.Getenv("SEGNO_TEST_DOCKER")
	if host == "" {
		host = "unix:///run/docker.sock"
	}
	if out, err := exec.Command("docker", "-H", host, "image", "inspect", "busybox:1.36", "nginx:1.8").CombinedOutput(); err != nil {
		t.Fatalf("docker at %s is not ready for tests (run setup/engine.sh and setup/images.sh): %v: %s", host, err, last(out))
	}
	return host
}

// Run runs a program and answers what it wrote.
func Run(t testing.TB, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v: %s", name, strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

func last(out []byte) string {
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	return lines[len(lines)-1]
}
