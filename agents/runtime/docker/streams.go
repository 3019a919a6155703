package docker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/moby/moby/api/pkg/stdcopy"
	"github.com/moby/moby/client"

	"segno/agents/runtime"
	"segno/agents/wait"
)

// Logs reads what the engine kept.
func (e *Engine) Logs(ctx context.Context, ref runtime.Ref, options runtime.LogOptions, stdout, stderr io.Writer) error {
	tried := "logs of container " + ref.String()
	inspected, err := e.inspect(ctx, tried, ref)
	if err != nil {
		return err
	}
	query := client.ContainerLogsOptions{
		ShowStdout: true, ShowStderr: true, Follow: options.Follow, Timestamps: options.Timestamps,
	}
	if options.Tail != nil {
		query.Tail = strconv.FormatInt(*options.Tail, 10)
	}
	if !options.Since.IsZero() {
		query.Since = options.Since.Format(time.RFC3339Nano)
	}
	log, err := e.api.ContainerLogs(ctx, ref.String(), query)
	if err != nil {
		return e.fault(ctx, tried, err)
	}
	defer func() { _ = log.Close() }()
	if err := demultiplex(log, inspected.Config.Tty, stdout, stderr); err != nil {
		return fmt.Errorf("docker: %s: %w", tried, err)
	}
	return nil
}

// demultiplex splits output and errors; with a terminal there is one stream.
func demultiplex(from io.Reader, tty bool, stdout, stderr io.Writer) error {
	if stdout == nil {
		stdout = io.Discard
	}
	if stderr == nil {
		stderr = io.Discard
	}
	var err error
	if tty {
		_, err = io.Copy(stdout, from)
	} else {
		_, err = stdcopy.StdCopy(stdout, stderr, from)
	}
	return err
}

// Exec runs a command and waits for its end.
func (e *Engine) Exec(ctx context.Context, ref runtime.Ref, exec runtime.Exec) (int, error) {
	tried := "exec in container " + ref.String()
	created, err := e.api.ExecCreate(ctx, ref.String(), client.ExecCreateOptions{
		TTY: exec.TTY, Cmd: exec.Command,
		AttachStdin: exec.Stdin != nil, AttachStdout: exec.Stdout != nil, AttachStderr: exec.Stderr != nil,
	})
	if err != nil {
		return 0, e.streamFault(ctx, tried, err)
	}
	attached, err := e.api.ExecAttach(ctx, created.ID, client.ExecAttachOptions{TTY: exec.TTY})
	if err != nil {
		return 0, e.streamFault(ctx, tried, err)
	}
	if exec.Kill {
		defer func() {
			if ctx.Err() != nil {
				e.killExec(context.WithoutCancel(ctx), ref, created.ID)
			}
		}()
	}
	resize := func(ctx context.Context, size runtime.Size) {
		_, _ = e.api.ExecResize(ctx, created.ID, client.ExecResizeOptions{Height: uint(size.Height), Width: uint(size.Width)})
	}
	if err := join(ctx, attached.HijackedResponse, exec.StreamSet, resize); err != nil {
		return 0, fmt.Errorf("docker: %s: %w", tried, err)
	}
	return e.exitCode(ctx, tried, created.ID)
}

// exitCode waits for the moment between the end of the streams and that of
// the process.
func (e *Engine) exitCode(ctx context.Context, tried, id string) (int, error) {
	for looks := 0; ; looks++ {
		inspected, err := e.api.ExecInspect(ctx, id, client.ExecInspectOptions{})
		if err != nil {
			return 0, e.fault(ctx, tried, err)
		}
		if !inspected.Running {
			return inspected.ExitCode, nil
		}
		if err := wait.For(ctx, wait.Doubled(time.Millisecond, 100*time.Millisecond, looks)); err != nil {
			return 0, fmt.Errorf("docker: %s: %w", tried, err)
		}
	}
}

// Attach joins the main process of a container.
func (e *Engine) Attach(ctx context.Context, ref runtime.Ref, streams runtime.StreamSet) error {
	tried := "attach to container " + ref.String()
	inspected, err := e.inspect(ctx, tried, ref)
	if err != nil {
		return err
	}
	if stateOf(inspected.State) != runtime.Running {
		return fmt.Errorf("docker: %s: %w", tried, runtime.ErrNotRunning)
	}
	streams.TTY = inspected.Config.Tty
	attached, err := e.api.ContainerAttach(ctx, ref.String(), client.ContainerAttachOptions{
		Stream: true, Stdin: streams.Stdin != nil && inspected.Config.OpenStdin,
		Stdout: streams.Stdout != nil, Stderr: streams.Stderr != nil,
	})
	if err != nil {
		return e.streamFault(ctx, tried, err)
	}
	resize := func(ctx context.Context, size runtime.Size) {
		_, _ = e.api.ContainerResize(ctx, ref.String(), client.ContainerResizeOptions{Height: uint(size.Height), Width: uint(size.Width)})
	}
	if err := join(ctx, attached.HijackedResponse, streams, resize); err != nil {
		return fmt.Errorf("docker: %s: %w", tried, err)
	}
	return nil
}

func (e *Engine) streamFault(ctx context.Context, tried string, err error) error {
	switch {
	case cerrdefs.IsNotFound(err):
		return fmt.Errorf("docker: %s: %w: %w", tried, runtime.ErrNotFound, err)
	case cerrdefs.IsConflict(err):
		return fmt.Errorf("docker: %s: %w: %w", tried, runtime.ErrNotRunning, err)
	default:
		return e.fault(ctx, tried, err)
	}
}

// join copies both ways until the process's output ends or ctx does.
func join(ctx context.Context, conn client.HijackedResponse, streams runtime.StreamSet, resize func(context.Context, runtime.Size)) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer conn.Close()
	stop := context.AfterFunc(ctx, conn.Close)
	defer stop()
	if streams.Stdin != nil {
		go func() { // ends with the client's stream, which outlives the process
			_, _ = io.Copy(conn.Conn, streams.Stdin)
			_ = conn.CloseWrite()
		}()
	}
	if streams.Resize != nil {
		go func() {
			for {
				select {
				case <-ctx.Done():
					return
				case size, open := <-streams.Resize:
					if !open {
						return
					}
					resize(ctx, size)
				}
			}
		}()
	}
	err := demultiplex(conn.Reader, streams.TTY, streams.Stdout, streams.Stderr)
	if ctx.Err() != nil {
		return errors.Join(ctx.Err(), err)
	}
	return err
}
