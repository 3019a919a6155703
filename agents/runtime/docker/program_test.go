package docker

import (
	"bytes"
	"debug/elf"
	"os"
	"os/exec"
	"path/filepath"
	goruntime "runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

func writeProgram(t *testing.T, arch string) string {
	t.Helper()
	program, ok := programFor(arch)
	if !ok {
		t.Fatalf("no program for %s", arch)
	}
	path := filepath.Join(t.TempDir(), "segno")
	if err := os.WriteFile(path, program, 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestTheWaitingProgramIsAWholeFile(t *testing.T) {
	for _, arch := range []string{"amd64", "arm64"} {
		program, _ := programFor(arch)
		file, err := elf.NewFile(bytes.NewReader(program))
		if err != nil {
			t.Fatal(err)
		}
		if len(file.Progs) != 1 || file.Progs[0].Filesz != uint64(len(program)) || file.Entry != imageBase+headersSize {
			t.Errorf("%s: %+v", arch, file)
		}
		if at := len(program) - len(enterPath) - 1 - 64 - headersSize; at%8 != 0 {
			t.Errorf("%s: the code has %d bytes", arch, at)
		}
	}
	if _, ok := programFor("riscv64"); ok {
		t.Error("there is a program for riscv64")
	}
}

func TestTheWaitingProgramWaitsAndLeaves(t *testing.T) {
	if _, ok := programFor(goruntime.GOARCH); !ok {
		t.Logf("%s uses segno's own program", goruntime.GOARCH)
		return
	}
	for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		cmd := exec.Command(writeProgram(t, goruntime.GOARCH), "pause")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		sleeps(t, cmd.Process.Pid)
		if err := cmd.Process.Signal(syscall.SIGCHLD); err != nil { // ignored
			t.Fatal(err)
		}
		sleeps(t, cmd.Process.Pid)
		if err := cmd.Process.Signal(signal); err != nil {
			t.Fatal(err)
		}
		if err := cmd.Wait(); err != nil {
			t.Errorf("after %s: %v", signal, err)
		}
	}
}

// sleeps waits until the process waits in the kernel.
func sleeps(t *testing.T, pid int) {
	t.Helper()
	const patience = 10 * time.Second
	var state string
	for begun := time.Now(); time.Since(begun) < patience; goruntime.Gosched() {
		state, _ = processState(pid)
		if state == "S" {
			return
		}
	}
	t.Fatalf("process %d is in state %q", pid, state)
}

func processState(pid int) (string, error) {
	data, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return "", err
	}
	_, rest, _ := strings.Cut(string(data), ") ")
	state, _, _ := strings.Cut(rest, " ")
	return state, nil
}
