package network

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"

	"segno/agents/runtime"
)

// ErrHostOnly says that this node cannot give pods a network of their own.
var ErrHostOnly = errors.New("this node runs only pods with hostNetwork: true")

// HostOnly refuses pods that do not use the host's network, and says why.
type HostOnly struct{ Reason string }

func (h HostOnly) refuse() error { return fmt.Errorf("%w: %s", ErrHostOnly, h.Reason) }

// Setup reports that there is no pod network.
func (h HostOnly) Setup(context.Context, []netip.Prefix, map[string]netip.Addr) error {
	return h.refuse()
}

// Allocate refuses.
func (h HostOnly) Allocate(string) ([]netip.Addr, error) { return nil, h.refuse() }

// Attach refuses.
func (h HostOnly) Attach(context.Context, string, runtime.Sandbox, []HostPort) error {
	return h.refuse()
}

// Release has nothing to give back.
func (h HostOnly) Release(context.Context, string) error { return nil }

// Dial connects to a port of the host.
func (h HostOnly) Dial(ctx context.Context, _ runtime.Sandbox, port int32) (net.Conn, error) {
	var d net.Dialer
	return d.DialContext(ctx, "tcp", net.JoinHostPort("localhost", strconv.Itoa(int(port))))
}
