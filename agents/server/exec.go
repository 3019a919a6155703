package server

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"k8s.io/cri-streaming/pkg/streaming/remotecommand"
	utilexec "k8s.io/utils/exec"

	"segno/agents/runtime"
)

// idle is how long a stream without any byte is kept.
const idle = 4 * time.Hour

func (s *server) exec(w http.ResponseWriter, r *http.Request) {
	ref, err := s.running(r)
	if err != nil {
		refuse(w, err)
		return
	}
	query := r.URL.Query()
	options, err := readStreams(query)
	if err != nil {
		refuse(w, apierrors.NewBadRequest(err.Error()))
		return
	}
	command := query["command"]
	if len(command) == 0 {
		refuse(w, apierrors.NewBadRequest("exec: at least one command is required"))
		return
	}
	remotecommand.ServeExec(w, r, streams{s.Runtime, ref}, r.PathValue("pod"), ref.UID, ref.Container, command, options,
		idle, remotecommand.DefaultStreamCreationTimeout, remotecommand.SupportedStreamingProtocols)
}

func (s *server) attach(w http.ResponseWriter, r *http.Request) {
	ref, err := s.running(r)
	if err != nil {
		refuse(w, err)
		return
	}
	options, err := readStreams(r.URL.Query())
	if err != nil {
		refuse(w, apierrors.NewBadRequest(err.Error()))
		return
	}
	remotecommand.ServeAttach(w, r, streams{s.Runtime, ref}, r.PathValue("pod"), ref.UID, ref.Container, options,
		idle, remotecommand.DefaultStreamCreationTimeout, remotecommand.SupportedStreamingProtocols)
}

// readStreams takes the parameters as a kubelet names them and as the API does.
func readStreams(q url.Values) (*remotecommand.Options, error) {
	set := func(names ...string) bool {
		for _, name := range names {
			if v := q.Get(name); v == "1" || v == "true" {
				return true
			}
		}
		return false
	}
	out := &remotecommand.Options{
		Stdin:  set(remotecommand.ExecStdinParam, "stdin"),
		Stdout: set(remotecommand.ExecStdoutParam, "stdout"),
		Stderr: set(remotecommand.ExecStderrParam, "stderr"),
		TTY:    set(remotecommand.ExecTTYParam),
	}
	if out.TTY {
		out.Stderr = false // a terminal has one output
	}
	if !out.Stdin && !out.Stdout && !out.Stderr {
		return nil, fmt.Errorf("at least one of stdin, stdout and stderr is required")
	}
	return out, nil
}

// streams plays one container to package remotecommand.
type streams struct {
	runtime Runtime
	ref     runtime.Ref
}

// ExecInContainer runs the command; an exit code other than 0 is an error of
// the kind that clients tell apart.
func (s streams) ExecInContainer(ctx context.Context, _, _, _ string, command []string,
	in io.Reader, out, errOut io.WriteCloser, tty bool, resize <-chan remotecommand.TerminalSize, _ time.Duration,
) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	code, err := s.runtime.Exec(ctx, s.ref, runtime.Exec{Command: command, StreamSet: set(ctx, in, out, errOut, tty, resize)})
	if err != nil {
		return err
	}
	if code != 0 {
		return utilexec.CodeExitError{Err: fmt.Errorf("exit status %d", code), Code: code}
	}
	return nil
}

// AttachContainer joins the streams of the container's main process.
func (s streams) AttachContainer(ctx context.Context, _, _, _ string,
	in io.Reader, out, errOut io.WriteCloser, tty bool, resize <-chan remotecommand.TerminalSize,
) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	return s.runtime.Attach(ctx, s.ref, set(ctx, in, out, errOut, tty, resize))
}

// set leaves out the streams that the client did not ask for: they come as
// interfaces that hold nil.
func set(ctx context.Context, in io.Reader, out, errOut io.WriteCloser, tty bool, resize <-chan remotecommand.TerminalSize) runtime.StreamSet {
	s := runtime.StreamSet{TTY: tty}
	if in != nil {
		s.Stdin = in
	}
	if out != nil {
		s.Stdout = out
	}
	if errOut != nil {
		s.Stderr = errOut
	}
	if tty && resize != nil {
		s.Resize = sizes(ctx, resize)
	}
	return s
}

func sizes(ctx context.Context, from <-chan remotecommand.TerminalSize) <-chan runtime.Size {
	to := make(chan runtime.Size)
	go func() {
		defer close(to)
		for {
			select {
			case <-ctx.Done():
				return
			case size, open := <-from:
				if !open {
					return
				}
				select {
				case <-ctx.Done():
					return
				case to <- runtime.Size{Width: size.Width, Height: size.Height}:
				}
			}
		}
	}()
	return to
}
