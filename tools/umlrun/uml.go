package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
)

const (
	// program is what Debian's package user-mode-linux installs, and modulesDir
	// where its modules are, in a folder for each version.
	program    = "linux.uml"
	modulesDir = "/usr/lib/uml/modules"
)

// userMode boots a kernel that is a process.
func userMode(ctx context.Context, j *job, tmp string) (status, said string, err error) {
	status = filepath.Join(tmp, "status")
	version, err := exec.CommandContext(ctx, program, "--version").Output()
	if err != nil {
		return status, "", fmt.Errorf("%w (Debian's package user-mode-linux has it: setup/packages.sh user-mode-linux)", err)
	}
	dir := filepath.Join(modulesDir, strings.TrimSpace(string(version)))
	if j.Modules, err = inOrder(dir, wanted(modules+tables)); err != nil {
		return status, "", err
	}
	at := filepath.Join(tmp, "job")
	j.Env, j.Console, j.Status = withoutNewRegisters(j.Env), "/dev/tty1", status
	if err := j.write(at); err != nil {
		return status, "", err
	}
	self, err := os.Executable()
	if err != nil {
		return status, "", err
	}
	cmd := exec.CommandContext(ctx, program, "rootfstype=hostfs", "rw", "mem="+size(), "init="+self, "quiet",
		"con=null", "con0=null,fd:1", "con1=null,fd:3", debug+withoutAVX, jobVariable+"="+at)
	// Its memory is a file, which on a disk would be slow.
	cmd.Env = append(os.Environ(), "TMPDIR="+inMemory(tmp), "HOME="+tmp)
	// Its processes are a group, which ends as one; the terminal's signals go to us.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	// The first console has the kernel's words, the second the program's.
	var words bytes.Buffer
	cmd.Stdout, cmd.Stderr, cmd.ExtraFiles = &words, &words, []*os.File{os.Stdout}
	runtime.LockOSThread() // hideXstate is a thread's, and its children's
	if err := hideXstate(); err != nil {
		return status, "", err
	}
	if err = cmd.Start(); err != nil {
		return status, "", err
	}
	err = cmd.Wait()
	// Those that serve its programs may outlive it when it was killed.
	_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
	return status, words.String(), err
}

// inMemory is a folder whose files are in memory, if there is one.
func inMemory(otherwise string) string {
	const shared = "/dev/shm"
	if at, err := os.Stat(shared); err == nil && at.IsDir() {
		return shared
	}
	return otherwise
}
