package api

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/gorilla/websocket"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/httpstream/wsstream"
	"k8s.io/client-go/tools/portforward"

	"segno/cli/internal/splice"
)

// The protocols of port forwarding: SPDY, and SPDY carried in a WebSocket.
const (
	forwardProtocol = "portforward.k8s.io"
	tunnelProtocol  = "SPDY/3.1+" + forwardProtocol
)

// upgradePatience is how long a node may take to answer.
const upgradePatience = 30 * time.Second

// tunnel forwards ports for a client that carries SPDY in a WebSocket: the node
// sees the SPDY alone. The node is asked first, so that its refusal is an
// ordinary answer.
func (c *call) tunnel(to *url.URL) error {
	node, reader, refusal, err := c.upgradeNode(to)
	if err != nil {
		return apierrors.NewServiceUnavailable(fmt.Sprintf("%s: %s", to.Host, err))
	}
	defer node.Close()
	if refusal != nil {
		defer refusal.Body.Close()
		c.w.Header().Set("Content-Type", refusal.Header.Get("Content-Type"))
		c.w.WriteHeader(refusal.StatusCode)
		_, _ = io.Copy(c.w, refusal.Body)
		return nil
	}
	upgrader := websocket.Upgrader{
		Subprotocols: []string{tunnelProtocol},
		CheckOrigin:  anyOrigin,
	}
	c.w.begun = true
	socket, err := upgrader.Upgrade(c.w, c.r, nil)
	if err != nil {
		return fmt.Errorf("accept a WebSocket: %w", err)
	}
	client := portforward.NewTunnelingConnection("segno", socket)
	splice.Join(client, client, node, reader)
	return nil
}

// upgradeNode asks the node's agent for a SPDY connection. refusal is its
// answer when it says no.
func (c *call) upgradeNode(to *url.URL) (conn net.Conn, reader *bufio.Reader, refusal *http.Response, err error) {
	request, err := http.NewRequestWithContext(c.r.Context(), http.MethodPost, to.String(), nil)
	if err != nil {
		return nil, nil, nil, fmt.Errorf("ask for a stream: %w", err)
	}
	request.Header.Set("Connection", "Upgrade")
	request.Header.Set("Upgrade", "SPDY/3.1")
	request.Header.Set("X-Stream-Protocol-Version", forwardProtocol)
	conn, err = c.api.relay.DialContext(c.r.Context(), "tcp", net.JoinHostPort(to.Host, "80"))
	if err != nil {
		return nil, nil, nil, err
	}
	// Nobody who leaves waits for a node, and no node is waited for for ever.
	context.AfterFunc(c.r.Context(), func() { _ = conn.Close() })
	reader = bufio.NewReader(conn)
	err = conn.SetDeadline(time.Now().Add(upgradePatience))
	if err == nil {
		err = request.Write(conn)
	}
	var answer *http.Response
	if err == nil {
		answer, err = http.ReadResponse(reader, request)
	}
	if err == nil {
		err = conn.SetDeadline(time.Time{})
	}
	if err != nil {
		return nil, nil, nil, errors.Join(fmt.Errorf("ask for a stream: %w", err), conn.Close())
	}
	if answer.StatusCode != http.StatusSwitchingProtocols {
		return conn, reader, answer, nil
	}
	return conn, reader, nil, nil
}

// stream hands the request on in the way that its client speaks.
func (c *call) stream(to *url.URL) (handled bool, err error) {
	switch {
	case c.target.Subresource == "portforward" && wsstream.IsWebSocketRequestWithTunnelingProtocol(c.r):
		return true, c.tunnel(to)
	case c.target.Subresource != "log" && wsstream.IsWebSocketRequestWithStreamCloseProtocol(c.r):
		return true, c.socket(to)
	}
	return false, nil
}
