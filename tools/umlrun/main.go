// Command umlrun runs a program in a kernel of its own: user-mode Linux, a
// kernel that is a process, or with -qemu Debian's kernel for clouds on a
// computer that QEMU imitates. It is for "go test -exec umlrun", where tests need
// what the machine's kernel does not have.
//
// What comes in: a static program with its arguments, the working directory and
// the environment. The files of user-mode Linux are the machine's; the imitated
// computer has none but the program. What goes out: what the program writes to
// standard output and error, as one, and its exit status.
//
// What never happens here: a change to the machine's own network or modules, a
// network that leads out of the kernel, a program that outlives UMLRUN_TIMEOUT
// (ten minutes by default).
//
// Start with this file, the outside; uml.go and qemu.go boot the kernels, inside.go
// is the first process in them, modules.go finds their modules, xstate.go says
// why CPUs are too new for user-mode Linux.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

const (
	// jobVariable is set in the kernel, by its command line.
	jobVariable = "UMLRUN_JOB"

	memory      = "UMLRUN_MEMORY"
	limit       = "UMLRUN_TIMEOUT"
	extra       = "UMLRUN_MODULES"
	defaultSize = "1G"
	defaultTime = 10 * time.Minute
)

// job is what is to be run, and where that is told, as seen in the kernel.
type job struct {
	Args    []string
	Env     []string
	Dir     string
	Modules []string // files, in the order in which they are loaded
	Console string   // the device for what the program writes
	Status  string   // the file for the exit status
}

// boot runs a kernel with one job, in a folder of its own, until it powers off.
// It answers where the exit status is, and what the kernel itself said, which
// nobody wants to see unless something went wrong.
type boot func(ctx context.Context, j *job, tmp string) (status, said string, err error)

var errSilent = errors.New("it did not say how the program ended")

func main() {
	if path := os.Getenv(jobVariable); path != "" && os.Getpid() == 1 {
		inside(path)
		return
	}
	debian := flag.String("qemu", "", "boot Debian's kernel that is unpacked in this folder (setup/kernel.sh), in QEMU")
	flag.Usage = func() {
		fmt.Fprintln(os.Stderr, "usage: umlrun [-qemu FOLDER] PROGRAM [ARGUMENT…]")
		flag.PrintDefaults()
	}
	flag.Parse()
	if flag.NArg() < 1 {
		flag.Usage()
		os.Exit(2)
	}
	kernel := boot(userMode)
	if *debian != "" {
		kernel = imitated(*debian)
	}
	status, err := run(kernel, flag.Args())
	if err != nil {
		fmt.Fprintln(os.Stderr, "umlrun:", err)
		os.Exit(1)
	}
	os.Exit(status)
}

// run boots the kernel with one job and answers its exit status.
func run(kernel boot, args []string) (int, error) {
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
	tmp, err := os.MkdirTemp("", "umlrun-")
	if err != nil {
		return 0, fmt.Errorf("make a folder for the kernel: %w", err)
	}
	defer os.RemoveAll(tmp)
	j, err := newJob(args)
	if err != nil {
		return 0, err
	}
	at, said, ended := kernel(ctx, j, tmp)
	status, read := os.ReadFile(at)
	if read == nil && len(status) > 0 {
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
	if said == "" && ended != nil {
		return 0, ended // it did not begin
	}
	return 0, fmt.Errorf("the kernel ended without having run the program: %w\n%s", errors.Join(ended, read, errSilent), said)
}

// newJob is what every kernel runs.
func newJob(args []string) (*job, error) {
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
	return &job{Args: args, Dir: dir, Env: os.Environ()}, nil
}

// write puts the job where the kernel finds it.
func (j *job) write(path string) error {
	data, err := json.Marshal(j)
	if err != nil {
		return err
	}
	return os.WriteFile(path, data, 0o600)
}

// size of a kernel's memory.
func size() string {
	if size := os.Getenv(memory); size != "" {
		return size
	}
	return defaultSize
}

// wanted are the modules that a kernel is to have.
func wanted(defaults string) []string {
	return append(strings.Fields(defaults), strings.Fields(os.Getenv(extra))...)
}
