// Command umlrun runs a program in a kernel of its own: user-mode Linux, a
// kernel that is a process. It is for "go test -exec umlrun", where tests need
// what the machine's kernel does not have.
//
// What comes in: a static program with its arguments, the working directory and
// the environment; the machine's files are the kernel's files. What goes out:
// what the program writes to standard output and error, as one, and its exit
// status.
//
// What never happens here: a change to the machine's own network or modules, a
// network that leads out of the kernel, a program that outlives UMLRUN_TIMEOUT
// (ten minutes by default).
//
// Start with this file, the outside; inside.go is the first process in the
// kernel, modules.go loads its modules, xstate.go says why CPUs are too new.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"
)

const (
	// kernel is what Debian's package user-mode-linux installs, and modulesDir
	// where its modules are, in a folder for each version.
	kernel     = "linux.uml"
	modulesDir = "/usr/lib/uml/modules"

	// jobVariable is set in the kernel, by its command line.
	jobVariable = "UMLRUN_JOB"

	memory      = "UMLRUN_MEMORY"
	limit       = "UMLRUN_TIMEOUT"
	extra       = "UMLRUN_MODULES"
	defaultSize = "1G"
	defaultTime = 10 * time.Minute
)

// job is what is to be run, and in the end what became of it.
type job struct {
	Args    []string
	Env     []string
	Dir     string
	Modules []string
	Status  string // the file for the exit status
}

func main() {
	if path := os.Getenv(jobVariable); path != "" && os.Getpid() == 1 {
		inside(path)
		return
	}
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: umlrun PROGRAM [ARGUMENT…]")
		os.Exit(2)
	}
	status, err := run(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "umlrun:", err)
		os.Exit(1)
	}
	os.Exit(status)
}

// run boots the kernel with one job and answers its exit status.
func run(args []string) (int, error) {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	within := defaultTime
	if text := os.Getenv(limit); text != "" {
		var err error
		if within, err = time.ParseDuration(text); err != nil {
			return 0, fmt.Errorf("%s: %w", limit, err)
		}
	}
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	if _, err := exec.LookPath(kernel); err != nil {
		return 0, fmt.Errorf("%w (Debian's package user-mode-linux has it: setup/packages.sh user-mode-linux)", err)
	}
	tmp, err := os.MkdirTemp("", "umlrun-")
	if err != nil {
		return 0, fmt.Errorf("make a folder for the kernel: %w", err)
	}
	defer os.RemoveAll(tmp)
	j, err := newJob(args, tmp)
	if err != nil {
		return 0, err
	}
	said, ended := boot(ctx, tmp)
	status, read := os.ReadFile(j.Status)
	if read == nil {
		var code int
		_, err := fmt.Sscan(string(status), &code)
		return code, err
	}
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return 0, fmt.Errorf("the program did not end within %s (%s changes that)", within, limit)
	}
	if ctx.Err() != nil {
		return 0, errors.New("stopped by a signal")
	}
	return 0, fmt.Errorf("the kernel ended without having run the program: %w\n%s", errors.Join(ended, read), said)
}

// newJob writes the job to where the kernel finds it.
func newJob(args []string, tmp string) (*job, error) {
	dir, err := os.Getwd()
	if err != nil {
		return nil, err
	}
	args[0], err = exec.LookPath(args[0])
	if err == nil {
		args[0], err = filepath.Abs(args[0])
	}
	if err != nil {
		return nil, fmt.Errorf("find the program to run: %w", err)
	}
	j := &job{
		Args: args, Dir: dir, Status: filepath.Join(tmp, "status"), Env: environment(),
		Modules: append(strings.Fields(modules), strings.Fields(os.Getenv(extra))...),
	}
	data, err := json.Marshal(j)
	if err != nil {
		return nil, err
	}
	return j, os.WriteFile(filepath.Join(tmp, "job"), data, 0o600)
}

// boot runs the kernel until it powers off. It answers what the kernel itself
// said, which nobody wants to see unless something went wrong.
func boot(ctx context.Context, tmp string) (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", err
	}
	size := os.Getenv(memory)
	if size == "" {
		size = defaultSize
	}
	cmd := exec.CommandContext(ctx, kernel, "rootfstype=hostfs", "rw", "mem="+size, "init="+self, "quiet",
		"con=null", "con0=null,fd:1", "con1=null,fd:3", debug+withoutAVX, jobVariable+"="+filepath.Join(tmp, "job"))
	// Its memory is a file, which on a disk would be slow.
	cmd.Env = append(os.Environ(), "TMPDIR="+inMemory(tmp), "HOME="+tmp)
	// Its processes are a group, which ends as one; the terminal's signals go to us.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	// The first console has the kernel's words, the second the program's.
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr, cmd.ExtraFiles = &said, &said, []*os.File{os.Stdout}
	runtime.LockOSThread() // hideXstate is a thread's, and its children's
	if err := hideXstate(); err != nil {
		return "", err
	}
	err = cmd.Run()
	// Those that serve its programs may outlive it when it was killed.
	_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
	return said.String(), err
}

// inMemory is a folder whose files are in memory, if there is one.
func inMemory(otherwise string) string {
	const shared = "/dev/shm"
	if at, err := os.Stat(shared); err == nil && at.IsDir() {
		return shared
	}
	return otherwise
}
