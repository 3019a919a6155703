package userspace

import (
	"errors"
	"net"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// flowIdle is how long a flow may be silent before it is forgotten.
	flowIdle = time.Minute
	// mostFlows of one frontend; more clients wait until some are silent.
	mostFlows = 4096
	// datagram is the largest there is.
	datagram = 1 << 16
)

// buffers are lent for the moment in which there is something to read.
var buffers = sync.Pool{New: func() any { return new([datagram]byte) }}

// udp is one port that takes datagrams.
type udp struct {
	*front
	room  *room
	conn  *net.UDPConn
	local netip.Addr

	mu     sync.Mutex
	flows  map[netip.AddrPort]*flow // by client
	closed bool                     // no more begin
}

// flow is what one client has with one backend.
type flow struct {
	client, backend netip.AddrPort
	conn            *net.UDPConn
}

// receive waits for a datagram and gives it away; the bytes are the callee's
// only until it returns.
func receive(conn *net.UDPConn, take func(data []byte, from netip.AddrPort)) error {
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = raw.Read(func(fd uintptr) bool {
		buffer := buffers.Get().(*[datagram]byte)
		defer buffers.Put(buffer)
		n, from, err := unix.Recvfrom(int(fd), buffer[:], unix.MSG_DONTWAIT)
		switch err {
		case unix.EAGAIN, unix.EINTR:
			return false
		case nil:
			take(buffer[:n], addrPort(from))
		default:
			failed = err
		}
		return true
	})
	if err != nil {
		return err
	}
	return failed
}

func addrPort(s unix.Sockaddr) netip.AddrPort {
	switch s := s.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(s.Addr), uint16(s.Port))
	case *unix.SockaddrInet6:
		return netip.AddrPortFrom(netip.AddrFrom16(s.Addr).Unmap(), uint16(s.Port))
	}
	return netip.AddrPort{}
}

// serve takes datagrams until the socket is closed.
func (s *udp) serve() {
	for {
		err := receive(s.conn, func(data []byte, from netip.AddrPort) { s.pass(data, from) })
		if errors.Is(err, net.ErrClosed) {
			return
		}
	}
}

// pass sends a datagram to the client's backend.
func (s *udp) pass(data []byte, from netip.AddrPort) {
	s.mu.Lock()
	f := s.flows[from]
	full := len(s.flows) >= mostFlows
	s.mu.Unlock()
	if f != nil && !s.keeps(from.Addr(), s.local, f.backend) {
		s.end(f)
		f = nil
	}
	if f == nil && (full || !s.admits(from.Addr())) {
		return
	}
	if f == nil {
		if f = s.begin(from); f == nil {
			return
		}
	}
	_ = f.conn.SetReadDeadline(time.Now().Add(flowIdle))
	if _, err := f.conn.Write(data); err != nil {
		if !errors.Is(err, net.ErrClosed) { // else it was ended meanwhile, for no fault of the backend
			s.silent(f.backend)
		}
		s.end(f)
	}
}

func (s *udp) begin(from netip.AddrPort) *flow {
	if !s.room.enter() {
		return nil
	}
	for _, b := range s.order(from.Addr(), s.local) {
		conn, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(b))
		if err != nil {
			s.silent(b)
			continue
		}
		f := &flow{client: from, backend: b, conn: conn}
		_ = conn.SetReadDeadline(time.Now().Add(flowIdle))
		if !s.note(f) {
			_ = conn.Close()
			break
		}
		s.answered(from.Addr(), b)
		go s.back(f)
		return f
	}
	s.room.leave()
	return nil
}

// note adds a flow, unless the port was cut meanwhile: nobody would end it.
func (s *udp) note(f *flow) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.flows[f.client] = f
	}
	return !s.closed
}

// back carries the answers, until the flow is silent or ended.
func (s *udp) back(f *flow) {
	defer s.room.leave()
	defer s.end(f)
	for {
		err := receive(f.conn, func(data []byte, _ netip.AddrPort) {
			_, _ = s.conn.WriteToUDPAddrPort(data, f.client)
		})
		if err != nil {
			if errors.Is(err, unix.ECONNREFUSED) {
				s.silent(f.backend)
			}
			return
		}
		_ = f.conn.SetReadDeadline(time.Now().Add(flowIdle))
	}
}

func (s *udp) end(f *flow) {
	_ = f.conn.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.flows[f.client] == f {
		delete(s.flows, f.client)
	}
}

// settle ends flows to backends that are gone.
func (s *udp) settle() {
	s.mu.Lock()
	var gone []*flow
	for _, f := range s.flows {
		if !s.keeps(f.client.Addr(), s.local, f.backend) {
			gone = append(gone, f)
		}
	}
	s.mu.Unlock()
	for _, f := range gone {
		s.end(f)
	}
}

// cut ends everything.
func (s *udp) cut() {
	_ = s.conn.Close()
	s.mu.Lock()
	s.closed = true
	all := make([]*flow, 0, len(s.flows))
	for _, f := range s.flows {
		all = append(all, f)
	}
	s.mu.Unlock()
	for _, f := range all {
		s.end(f)
	}
}
