package agents

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	goruntime "runtime"
	"syscall"

	"golang.org/x/sys/unix"

	"segno/agents/runtime"
)

// Pause is what the process of a sandbox does: nothing, for as long as the
// pod lives. It is the first process of its namespace, so it inherits the
// orphans of the pod's containers and reaps them. TERM and INT end it.
func Pause(ctx context.Context) {
	if err := enterNetwork(); err != nil {
		fmt.Fprintln(os.Stderr, "segno pause:", err)
		os.Exit(1)
	}
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	children := make(chan os.Signal, 1)
	signal.Notify(children, syscall.SIGCHLD)
	defer signal.Stop(children)
	for {
		reap()
		select {
		case <-ctx.Done():
			return
		case <-children:
		}
	}
}

// enterNetwork moves the process into the network namespace that its
// environment names, by starting the program anew from a thread that is there.
func enterNetwork() error {
	path := os.Getenv(runtime.EnterVariable)
	if path == "" {
		return nil
	}
	goruntime.LockOSThread()
	space, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("enter the node's network: %w", err)
	}
	if err := unix.Setns(int(space.Fd()), unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("enter the node's network: %w", err)
	}
	if err := os.Unsetenv(runtime.EnterVariable); err != nil {
		return fmt.Errorf("enter the node's network: %w", err)
	}
	err = syscall.Exec("/proc/self/exe", os.Args, os.Environ())
	return fmt.Errorf("start anew in the node's network: %w", err)
}

// reap collects every child that has ended: several may share one signal.
func reap() {
	for {
		pid, err := syscall.Wait4(-1, nil, syscall.WNOHANG, nil)
		if pid <= 0 && err != syscall.EINTR {
			return
		}
	}
}
