package agents

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

// Pause is what the process of a sandbox does: nothing, for as long as the
// pod lives. It is the first process of its namespace, so it inherits the
// orphans of the pod's containers and reaps them. TERM and INT end it.
func Pause(ctx context.Context) {
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

// reap collects every child that has ended: several may share one signal.
func reap() {
	for {
		pid, err := syscall.Wait4(-1, nil, syscall.WNOHANG, nil)
		if pid <= 0 && err != syscall.EINTR {
			return
		}
	}
}
