package docker

import (
	"context"
	"fmt"
	"os"
	"syscall"
	"time"

	"github.com/moby/moby/client"

	"segno/agents/runtime"
	"segno/agents/wait"
)

// killExec kills a command in a container. Docker has no call for it: it is
// done from outside, and only where the engine's numbers of processes are this
// machine's. What the command has started itself is not found.
func (e *Engine) killExec(ctx context.Context, ref runtime.Ref, id string) {
	const patience = 2 * time.Second
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	command, err := e.api.ExecInspect(ctx, id, client.ExecInspectOptions{})
	for err == nil && command.Running && command.PID == 0 { // it speaks before the engine has noted its number
		if err = wait.For(ctx, 20*time.Millisecond); err == nil {
			command, err = e.api.ExecInspect(ctx, id, client.ExecInspectOptions{})
		}
	}
	if err != nil || !command.Running || command.PID <= 1 {
		return
	}
	inspected, err := e.inspect(ctx, "kill a command", ref)
	if err != nil || inspected.State == nil || !sameRoot(command.PID, inspected.State.Pid) {
		return
	}
	_ = syscall.Kill(command.PID, syscall.SIGKILL) // it may have ended meanwhile
}

// sameRoot tells whether two processes are in one container: they see the same
// files. Numbers of another machine, or of none, never do.
func sameRoot(one, other int) bool {
	files := func(pid int) string {
		id, _ := os.Readlink(fmt.Sprintf("/proc/%d/ns/mnt", pid))
		return id
	}
	mine := files(os.Getpid())
	return files(one) != "" && files(one) == files(other) && files(one) != mine
}
