package server

import (
	"context"
	"fmt"
	"io"
	"net/http"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"k8s.io/cri-streaming/pkg/streaming/portforward"
	"k8s.io/cri-streaming/pkg/streaming/remotecommand"

	"segno/agents/runtime"
)

func (s *server) portForward(w http.ResponseWriter, r *http.Request) {
	want, have, err := s.find(r)
	if err != nil {
		refuse(w, err)
		return
	}
	if have.Sandbox == nil || have.Sandbox.State != runtime.Running {
		refuse(w, apierrors.NewBadRequest(fmt.Sprintf("pod %s is not running", want.Pod.Name)))
		return
	}
	if s.Dial == nil {
		refuse(w, apierrors.NewMethodNotSupported(podsResource, "port-forward on this node"))
		return
	}
	options, err := portforward.NewV4Options(r)
	if err != nil {
		refuse(w, apierrors.NewBadRequest(err.Error()))
		return
	}
	portforward.ServePortForward(w, r, ports{s, *have.Sandbox}, want.Pod.Name, string(want.Pod.UID), options,
		idle, remotecommand.DefaultStreamCreationTimeout, portforward.SupportedProtocols)
}

// ports plays one sandbox to package portforward.
type ports struct {
	*server
	sandbox runtime.Sandbox
}

// PortForward copies both ways until either side is done.
func (p ports) PortForward(ctx context.Context, name, _ string, port int32, stream io.ReadWriteCloser) error {
	conn, err := p.Dial(ctx, p.sandbox, port)
	if err != nil {
		return fmt.Errorf("forward to port %d of pod %s: %w", port, name, err)
	}
	defer func() { _ = conn.Close() }()
	defer func() { _ = stream.Close() }()
	go func() { // ends with the client's half, which may outlive the pod's
		_, _ = io.Copy(conn, stream)
		if half, ok := conn.(interface{ CloseWrite() error }); ok {
			_ = half.CloseWrite()
		}
	}()
	if _, err := io.Copy(stream, conn); err != nil {
		return fmt.Errorf("forward to port %d of pod %s: %w", port, name, err)
	}
	return nil
}
