package network

import (
	"context"
	"fmt"
	"net"
	goruntime "runtime"
	"strconv"

	"github.com/vishvananda/netns"

	"segno/agents/runtime"
)

// Dial connects to a TCP port of a pod from within its namespace, so that
// what listens on the pod's loopback is reached too.
func (b *Bridge) Dial(ctx context.Context, sandbox runtime.Sandbox, port int32) (net.Conn, error) {
	type answer struct {
		conn net.Conn
		err  error
	}
	answers := make(chan answer, 1)
	go func() {
		// Never unlocked: the thread ends with the goroutine, and no other
		// one ever runs in the pod's namespace.
		goruntime.LockOSThread()
		conn, err := dialInside(ctx, sandbox.PID, port)
		answers <- answer{conn, err}
	}()
	got := <-answers
	return got.conn, got.err
}

func dialInside(ctx context.Context, pid int, port int32) (net.Conn, error) {
	space, err := netns.GetFromPid(pid)
	if err != nil {
		return nil, fmt.Errorf("network namespace of process %d: %w", pid, err)
	}
	defer func() { _ = space.Close() }()
	if err := netns.Set(space); err != nil {
		return nil, fmt.Errorf("enter the network namespace of process %d: %w", pid, err)
	}
	// Addresses and not names: a name would be looked up, and two families
	// tried, in goroutines on other threads, which are outside.
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp4", net.JoinHostPort("127.0.0.1", strconv.Itoa(int(port))))
	if err == nil {
		return conn, nil
	}
	if conn, again := d.DialContext(ctx, "tcp6", net.JoinHostPort("::1", strconv.Itoa(int(port)))); again == nil {
		return conn, nil
	}
	return nil, err
}
