package dns

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	mdns "github.com/miekg/dns"

	"segno/agents/wait"
)

// mostConnections of one client over TCP at once.
const mostConnections = 32

// listen serves an address until ctx ends, also when it takes time until it can
// be had.
func (s *Server) listen(ctx context.Context, network string, address netip.AddrPort) error {
	said := ""
	for failures := 0; ; failures++ {
		err := explained(s.serve(ctx, network, address))
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err.Error() != said { // once is enough
			s.cfg.Logger.Warn("no DNS at this address", "error", err)
			said = err.Error()
		}
		if err := wait.For(ctx, wait.Doubled(time.Second, 30*time.Second, failures)); err != nil {
			return err
		}
	}
}

// explained says what a person can do.
func explained(err error) error {
	switch {
	case errors.Is(err, unix.EADDRINUSE):
		return fmt.Errorf("serve DNS: %w: another program listens there; stop it, or give the cluster's DNS another address with --cluster-dns", err)
	case errors.Is(err, unix.EACCES):
		return fmt.Errorf("serve DNS: %w: ports below 1024 need root, or CAP_NET_BIND_SERVICE", err)
	}
	return fmt.Errorf("serve DNS: %w", err)
}

func (s *Server) serve(ctx context.Context, network string, address netip.AddrPort) error {
	server := &mdns.Server{
		Net: network, UDPSize: mdns.DefaultMsgSize, MsgAcceptFunc: accept,
		Handler: mdns.HandlerFunc(func(w mdns.ResponseWriter, query *mdns.Msg) { s.handle(ctx, w, query, network == "udp") }),
	}
	// An address that comes to the node only later can be bound before.
	sockets := net.ListenConfig{Control: freely}
	var err error
	if network == "udp" {
		server.PacketConn, err = sockets.ListenPacket(ctx, network, address.String())
	} else {
		server.Listener, err = sockets.Listen(ctx, network, address.String())
		server.Listener = &fair{Listener: server.Listener, clients: map[netip.Addr]int{}}
	}
	if err != nil {
		return err
	}
	var started sync.WaitGroup // who stops it must not come first
	started.Add(1)
	server.NotifyStartedFunc = started.Done
	stop := context.AfterFunc(ctx, func() {
		started.Wait()
		_ = server.Shutdown()
	})
	defer stop()
	return server.ActivateAndServe()
}

func freely(network, _ string, conn syscall.RawConn) error {
	var err error
	if outer := conn.Control(func(fd uintptr) {
		if network[len(network)-1] == '6' {
			err = unix.SetsockoptInt(int(fd), unix.SOL_IPV6, unix.IPV6_FREEBIND, 1)
			return
		}
		err = unix.SetsockoptInt(int(fd), unix.SOL_IP, unix.IP_FREEBIND, 1)
	}); outer != nil {
		return outer
	}
	return err
}

// accept leaves out everything but plain questions, before it is read whole.
func accept(h mdns.Header) mdns.MsgAcceptAction {
	const opcodes = 0xF << 11
	if h.Bits&opcodes != 0 {
		if action := mdns.DefaultMsgAcceptFunc(h); action != mdns.MsgAccept {
			return action
		}
		return mdns.MsgRejectNotImplemented
	}
	return mdns.DefaultMsgAcceptFunc(h)
}

// handle answers one question; who is gone by then does not matter.
func (s *Server) handle(ctx context.Context, w mdns.ResponseWriter, query *mdns.Msg, udp bool) {
	out, err := packed(s.respond(ctx, query), query, udp)
	if err != nil {
		s.cfg.Logger.Debug("an answer could not be written", "error", err)
		return
	}
	_, _ = w.Write(out)
}

// fair is a listener that gives one client so many connections and no more.
type fair struct {
	net.Listener

	mu      sync.Mutex
	clients map[netip.Addr]int
}

// Accept closes connections of clients that have enough.
func (f *fair) Accept() (net.Conn, error) {
	for {
		conn, err := f.Listener.Accept()
		if err != nil {
			return nil, err
		}
		var from netip.Addr
		if tcp, ok := conn.RemoteAddr().(*net.TCPAddr); ok {
			from = tcp.AddrPort().Addr().Unmap()
		}
		if f.count(from, 1) <= mostConnections {
			return &counted{Conn: conn, done: sync.OnceFunc(func() { f.count(from, -1) })}, nil
		}
		f.count(from, -1)
		_ = conn.Close()
	}
}

func (f *fair) count(client netip.Addr, by int) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := f.clients[client] + by
	f.clients[client] = now
	if now == 0 {
		delete(f.clients, client)
	}
	return now
}

type counted struct {
	net.Conn
	done func()
}

// Close gives the connection's place to the next.
func (c *counted) Close() error {
	c.done()
	return c.Conn.Close()
}
