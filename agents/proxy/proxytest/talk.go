package proxytest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"
)

const (
	tcpPort = 8080
	udpPort = 8053

	// patience is how long an answer may take on a busy machine.
	patience = 5 * time.Second
	// brief is how long nothing must come.
	brief = 400 * time.Millisecond
)

// serve answers on the pod's addresses: who it is and whom it sees, and then
// each line or datagram.
func (p *pod) serve(t testing.TB) {
	t.Helper()
	for _, ip := range []string{p.ip, p.ip6} {
		p.listen(t, ip)
		p.must(p.do(func() error {
			conn, err := net.ListenPacket("udp", net.JoinHostPort(ip, fmt.Sprint(udpPort)))
			if err != nil {
				return err
			}
			t.Cleanup(func() { _ = conn.Close() })
			go p.answerPackets(conn)
			return nil
		}))
	}
}

// listen serves TCP on an address, until it is closed or the test ends.
func (p *pod) listen(t testing.TB, ip string) *tcpServer {
	t.Helper()
	s := &tcpServer{}
	p.must(p.do(func() (err error) {
		s.Listener, err = net.Listen("tcp", net.JoinHostPort(ip, fmt.Sprint(tcpPort)))
		return err
	}))
	if p.servers == nil {
		p.servers = map[string]*tcpServer{}
	}
	p.servers[ip] = s
	t.Cleanup(s.die)
	go s.run(p.name)
	return s
}

// tcpServer is one listening address.
type tcpServer struct {
	net.Listener
	mu    sync.Mutex
	conns []net.Conn
}

func (s *tcpServer) run(name string) {
	for {
		conn, err := s.Accept()
		if err != nil {
			return
		}
		s.mu.Lock()
		s.conns = append(s.conns, conn)
		s.mu.Unlock()
		go func() {
			defer conn.Close()
			_, _ = fmt.Fprintf(conn, "%s %s\n", name, host(conn.RemoteAddr()))
			_, _ = io.Copy(conn, conn)
		}()
	}
}

// die closes the listener and every connection.
func (s *tcpServer) die() {
	_ = s.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.conns {
		_ = c.Close()
	}
}

func (p *pod) answerPackets(conn net.PacketConn) {
	buffer := make([]byte, 1<<16)
	for {
		n, from, err := conn.ReadFrom(buffer)
		if err != nil {
			return
		}
		_, _ = conn.WriteTo([]byte(p.name+" "+host(from)+" "+string(buffer[:n])), from)
	}
}

func host(a net.Addr) string {
	h, _, _ := net.SplitHostPort(a.String())
	return h
}

// call is an open connection through a Service.
type call struct {
	net.Conn
	in   *bufio.Reader
	by   string // the pod that answers
	sees string // whom the pod sees
}

// dial connects from a namespace; from may name one of its addresses.
func (s *space) dial(from, to string, within time.Duration) (*call, error) {
	var conn net.Conn
	err := s.do(func() (err error) {
		d := net.Dialer{Timeout: within}
		if from != "" {
			d.LocalAddr = &net.TCPAddr{IP: net.ParseIP(from)}
		}
		conn, err = d.DialContext(context.Background(), "tcp", to)
		return err
	})
	if err != nil {
		return nil, err
	}
	c := &call{Conn: conn, in: bufio.NewReader(conn)}
	_ = conn.SetDeadline(time.Now().Add(within))
	line, err := c.in.ReadString('\n')
	if err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("connected to %s, then: %w", to, err)
	}
	c.by, c.sees, _ = strings.Cut(strings.TrimSpace(line), " ")
	return c, nil
}

// ask connects, and answers who answered and whom it saw.
func (s *space) ask(t testing.TB, from, to string) (by, sees string) {
	t.Helper()
	c, err := s.dial(from, to, patience)
	if err != nil {
		t.Fatalf("dial %s: %v", to, err)
	}
	_ = c.Close()
	return c.by, c.sees
}

// say sends a line and waits until it comes back.
func (c *call) say(line string) error {
	_ = c.SetDeadline(time.Now().Add(patience))
	if _, err := io.WriteString(c, line+"\n"); err != nil {
		return err
	}
	back, err := c.in.ReadString('\n')
	if err != nil {
		return err
	}
	if strings.TrimSpace(back) != line {
		return fmt.Errorf("said %q, heard %q", line, back)
	}
	return nil
}

// flow is a UDP socket connected to a Service.
type flow struct{ net.Conn }

func (s *space) flow(t testing.TB, to string) *flow {
	t.Helper()
	var conn net.Conn
	s.must(s.do(func() (err error) {
		conn, err = net.Dial("udp", to)
		return err
	}))
	t.Cleanup(func() { _ = conn.Close() })
	return &flow{conn}
}

// ask sends a datagram and answers who answered. It is sent again while nothing
// comes: datagrams may be lost.
func (f *flow) ask(within time.Duration) (by, sees string, err error) {
	buffer := make([]byte, 1<<10)
	for end := time.Now().Add(within); time.Now().Before(end); {
		if _, err = f.Write([]byte("hello")); err != nil {
			continue
		}
		_ = f.SetReadDeadline(time.Now().Add(min(within, 200*time.Millisecond)))
		var n int
		if n, err = f.Read(buffer); err == nil {
			by, rest, _ := strings.Cut(string(buffer[:n]), " ")
			sees, _, _ := strings.Cut(rest, " ")
			return by, sees, nil
		}
		if timeout := net.Error(nil); !errors.As(err, &timeout) || !timeout.Timeout() {
			return "", "", err
		}
	}
	return "", "", err
}
