package userspace

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"sync"
	"time"

	"segno/agents/wait"
)

const (
	// connectWithin is how long a backend may take to answer before the next is
	// tried.
	connectWithin = time.Second
	// mostTries backends are tried for one client.
	mostTries = 5

	firstPause, longestPause = 5 * time.Millisecond, time.Second
)

// tcp is one listening port.
type tcp struct {
	*front
	room     *room
	listener *net.TCPListener

	mu     sync.Mutex
	conns  map[net.Conn]struct{}
	closed bool
}

// serve takes connections until the listener is closed.
func (s *tcp) serve() {
	for failed := 0; ; {
		conn, err := s.listener.AcceptTCP()
		if err == nil {
			failed = 0
			s.hold(conn) // now: a port that carries nothing is forgotten
			go s.carry(conn)
			continue
		}
		// Too many open files, perhaps: others end sooner or later.
		if errors.Is(err, net.ErrClosed) {
			return
		}
		time.Sleep(wait.Doubled(firstPause, longestPause, failed))
		failed++
	}
}

// carry copies one connection both ways.
func (s *tcp) carry(client *net.TCPConn) {
	defer s.release(client)
	defer client.Close()
	if !s.room.enter() {
		_ = client.SetLinger(0)
		return
	}
	defer s.room.leave()
	backend := s.connect(client)
	if backend == nil {
		_ = client.SetLinger(0) // nobody answers: a reset, not an end
		return
	}
	defer backend.Close()
	defer s.release(backend)
	if !s.hold(backend) {
		return
	}
	// Between two TCP connections io.Copy splices: the bytes stay in the kernel.
	var back sync.WaitGroup
	back.Go(func() {
		_, err := io.Copy(client, backend)
		end(client, backend, err)
	})
	_, err := io.Copy(backend, client)
	end(backend, client, err)
	back.Wait()
}

// end passes on that one side has said all, or that it broke.
func end(to, from *net.TCPConn, err error) {
	if err != nil {
		_ = to.SetLinger(0)
		_ = from.SetLinger(0)
		_, _ = to.Close(), from.Close()
		return
	}
	_ = to.CloseWrite()
}

// connect answers a connection to the first backend that takes it.
func (s *tcp) connect(client *net.TCPConn) *net.TCPConn {
	from, local := addressOf(client.RemoteAddr()), addressOf(client.LocalAddr())
	if !s.admits(from) {
		return nil
	}
	dialer := net.Dialer{Timeout: connectWithin}
	for i, b := range s.order(from, local) {
		if i == mostTries {
			return nil
		}
		conn, err := dialer.Dial("tcp", b.String())
		if err != nil {
			s.silent(b)
			continue
		}
		s.answered(from, b)
		return conn.(*net.TCPConn)
	}
	return nil
}

// hold notes a connection that ends with the plane; false is that it has ended.
func (s *tcp) hold(c net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.conns[c] = struct{}{}
	return !s.closed
}

func (s *tcp) release(c net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c)
}

// close takes no more connections; those that there are go on.
func (s *tcp) close() { _ = s.listener.Close() }

// cut ends all connections.
func (s *tcp) cut() {
	s.close()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	for c := range s.conns {
		_ = c.Close()
	}
}

func addressOf(a net.Addr) netip.Addr {
	switch a := a.(type) {
	case *net.TCPAddr:
		return a.AddrPort().Addr().Unmap().WithZone("")
	case *net.UDPAddr:
		return a.AddrPort().Addr().Unmap().WithZone("")
	}
	return netip.Addr{}
}

// idle says that nothing is carried.
func (s *tcp) idle() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.conns) == 0
}
