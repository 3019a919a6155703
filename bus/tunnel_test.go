package bus

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/nettest"
	"golang.org/x/sync/errgroup"

	"segno/proto"
)

// parties are a control plane and a person that are connected to one server.
type parties struct {
	server  *Server
	control *Conn
	person  *Conn
	node    *Conn
}

func meet(t testing.TB) parties {
	t.Helper()
	p := parties{server: startServer(t, ServerConfig{})}
	var err error
	if p.control, err = p.server.Connect("control"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.control.Close)
	p.person = p.enter(t, RolePerson, "anna")
	p.node = p.enter(t, RoleNode, "n1.example")
	return p
}

// enter registers an identity and connects as it.
func (p parties) enter(t testing.TB, role Role, name string) *Conn {
	t.Helper()
	id := Identity{Role: role, Name: name}
	credential, err := NewCredential(id.Actor())
	if err != nil {
		t.Fatal(err)
	}
	id.Public = credential.Public
	if err := p.server.Identities().Add(id); err != nil {
		t.Fatal(err)
	}
	conn, err := Connect(t.Context(), ConnectConfig{Server: p.server, Actor: id.Actor(), Seed: credential.Seed})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	return conn
}

func listen(t testing.TB, conn *Conn, subject string) *Listener {
	t.Helper()
	l, err := Listen(conn, subject)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

// pair is the two ends of one connection, from a person to the control plane.
func (p parties) pair(t testing.TB) (dialled, accepted net.Conn) {
	t.Helper()
	l := listen(t, p.control, proto.AnyUserDial)
	defer l.Close()
	dialled, err := Dial(t.Context(), p.person, proto.UserDial("anna"))
	if err != nil {
		t.Fatal(err)
	}
	if accepted, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	return dialled, accepted
}

func TestN5TunnelIsANetConn(t *testing.T) {
	p := meet(t)
	nettest.TestConn(t, func() (net.Conn, net.Conn, func(), error) {
		a, b := p.pair(t)
		return a, b, func() { _ = a.Close(); _ = b.Close() }, nil
	})
}

func TestN5TunnelBothWays(t *testing.T) {
	p := meet(t)
	tests := []struct {
		name         string
		listens      *Conn
		pattern      string
		dials        *Conn
		subject, who string
	}{
		{"person to control plane", p.control, proto.AnyUserDial, p.person, proto.UserDial("anna"), "anna"},
		{"control plane to node", p.node, proto.NodeDial("n1.example"), p.control, proto.NodeDial("n1.example"), "n1.example"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			l := listen(t, test.listens, test.pattern)
			a, err := Dial(t.Context(), test.dials, test.subject)
			if err != nil {
				t.Fatal(err)
			}
			defer a.Close()
			b, err := l.Accept()
			if err != nil {
				t.Fatal(err)
			}
			defer b.Close()
			if who := b.(*Tunnel).Peer(); who != test.who {
				t.Errorf("the peer is %q, want %q", who, test.who)
			}
			echo(t, a, b, "hello")
			echo(t, b, a, "and back")
		})
	}
}

func echo(t *testing.T, from, to net.Conn, text string) {
	t.Helper()
	if _, err := from.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, len(text))
	if _, err := io.ReadFull(to, buf); err != nil || string(buf) != text {
		t.Fatalf("read %q, %v", buf, err)
	}
}

func TestN5TunnelHalfClose(t *testing.T) {
	a, b := meet(t).pair(t)
	defer a.Close()
	defer b.Close()
	if _, err := a.Write([]byte("question")); err != nil {
		t.Fatal(err)
	}
	if err := a.(*Tunnel).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if text, err := io.ReadAll(b); err != nil || string(text) != "question" {
		t.Fatalf("read %q, %v", text, err)
	}
	echo(t, b, a, "answer")
	if _, err := a.Write([]byte("more")); !errors.Is(err, net.ErrClosed) {
		t.Fatalf("write after CloseWrite: %v", err)
	}
}

func TestN5TunnelCloseDeliversWhatWasWritten(t *testing.T) {
	a, b := meet(t).pair(t)
	defer b.Close()
	want := bytes.Repeat([]byte("0123456789"), 50_000)
	if _, err := a.Write(want); err != nil {
		t.Fatal(err)
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	if have, err := io.ReadAll(b); err != nil || !bytes.Equal(have, want) {
		t.Fatalf("read %d bytes, %v", len(have), err)
	}
	if _, err := b.Write([]byte("x")); !errors.Is(err, syscall.EPIPE) {
		t.Fatalf("write to a closed end: %v", err)
	}
}

func TestN5TunnelWindowHoldsTheWriter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := meet(t).pair(t)
		defer a.Close()
		defer b.Close()
		if err := a.SetWriteDeadline(time.Now().Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
		n, err := a.Write(make([]byte, 10*tunnelWindow))
		if !errors.Is(err, os.ErrDeadlineExceeded) || n > tunnelWindow || n < tunnelWindow*9/10 {
			t.Fatalf("wrote %d of a window of %d: %v", n, tunnelWindow, err)
		}
		if _, err := io.CopyN(io.Discard, b, int64(n)); err != nil {
			t.Fatal(err)
		}
		if err := a.SetWriteDeadline(time.Time{}); err != nil {
			t.Fatal(err)
		}
		echo(t, a, b, "again")
	})
}

func TestN5DialTellsThatNobodyListens(t *testing.T) {
	p := meet(t)
	from := time.Now()
	if _, err := Dial(t.Context(), p.control, proto.NodeDial("n1.example")); !errors.Is(err, ErrNobody) {
		t.Fatalf("err = %v", err)
	}
	if took := time.Since(from); took > time.Second {
		t.Fatalf("it took %s to notice", took)
	}
}

func TestN5TunnelNoticesThatThePeerVanished(t *testing.T) {
	for _, end := range []string{"dialler", "listener"} {
		t.Run(end, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := meet(t)
				a, b := p.pair(t)
				stays := a
				if end == "dialler" {
					stays = b
					p.person.nc.Close() // as a process that is killed: no word in the tunnel
				} else {
					p.control.nc.Close()
				}
				from := time.Now()
				if _, err := stays.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
					t.Fatalf("err = %v", err)
				}
				if took := time.Since(from); took > tunnelDead {
					t.Fatalf("it took %s to notice", took)
				}
			})
		})
	}
}

func TestN5TunnelNoticesLostFrames(t *testing.T) {
	a, b := meet(t).pair(t)
	defer a.Close()
	defer b.Close()
	tunnel := a.(*Tunnel)
	tunnel.sending.Lock()
	tunnel.number++ // as if one had not arrived
	tunnel.sending.Unlock()
	if _, err := a.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	for _, end := range []net.Conn{b, a} {
		if _, err := end.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
			t.Fatalf("err = %v", err)
		}
	}
}

// serveHTTP serves the handler on a tunnel listener and answers a client.
func (p parties) serveHTTP(t *testing.T, handler http.Handler) *http.Client {
	t.Helper()
	l := listen(t, p.control, proto.AnyUserDial)
	server := &http.Server{
		Handler: handler,
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			return context.WithValue(ctx, peerKey{}, c.(*Tunnel).Peer())
		},
	}
	done := make(chan error, 1)
	go func() { done <- server.Serve(l) }()
	t.Cleanup(func() {
		_ = server.Close()
		if err := <-done; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
	transport := &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return Dial(ctx, p.person, proto.UserDial("anna"))
		},
		MaxIdleConnsPerHost: 4,
	}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

type peerKey struct{}

func TestN5HTTPOverTheBus(t *testing.T) {
	const size = 100 << 20
	mux := http.NewServeMux()
	mux.HandleFunc("/who", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.Context().Value(peerKey{})) })
	mux.HandleFunc("/sum", func(w http.ResponseWriter, r *http.Request) {
		sum := sha256.New()
		n, err := io.Copy(sum, r.Body)
		fmt.Fprintf(w, "%d %x %v", n, sum.Sum(nil), err)
	})
	mux.HandleFunc("/zeroes", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.CopyN(w, zeroes{}, size) })
	client := meet(t).serveHTTP(t, mux)

	if text := get(t, client, "http://segno/who"); text != "anna" {
		t.Errorf("the server saw %q", text)
	}
	response, err := client.Post("http://segno/sum", "", io.LimitReader(zeroes{}, size))
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.New()
	_, _ = io.CopyN(sum, zeroes{}, size)
	if have, want := body(t, response), fmt.Sprintf("%d %x <nil>", size, sum.Sum(nil)); have != want {
		t.Errorf("a large request arrived as %s, want %s", have, want)
	}
	if n := len(get(t, client, "http://segno/zeroes")); n != size {
		t.Errorf("a large response arrived with %d bytes", n)
	}
}

type zeroes struct{}

func (zeroes) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

func get(t *testing.T, client *http.Client, url string) string {
	t.Helper()
	response, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	return body(t, response)
}

func body(t *testing.T, response *http.Response) string {
	t.Helper()
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestN5UpgradeOverTheBus(t *testing.T) {
	client := meet(t).serveHTTP(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		conn, buffered, err := w.(http.Hijacker).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		fmt.Fprint(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
		_, _ = io.Copy(conn, buffered)
	}))
	request, err := http.NewRequest(http.MethodPost, "http://segno/exec", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Connection", "Upgrade")
	request.Header.Set("Upgrade", "echo")
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	stream := response.Body.(io.ReadWriteCloser)
	defer stream.Close()
	lines := bufio.NewReader(stream)
	for i := range 100 {
		fmt.Fprintf(stream, "line %d\n", i)
		if line, err := lines.ReadString('\n'); err != nil || line != fmt.Sprintf("line %d\n", i) {
			t.Fatalf("echo %d: %q, %v", i, line, err)
		}
	}
}

func TestN5CancelledRequestReachesTheHandler(t *testing.T) {
	arrived, left := make(chan struct{}), make(chan struct{})
	client := meet(t).serveHTTP(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(arrived)
		<-r.Context().Done()
		close(left)
	}))
	ctx, cancel := context.WithCancel(t.Context())
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://segno/watch", nil)
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		<-arrived
		cancel()
	}()
	if _, err := client.Do(request); !errors.Is(err, context.Canceled) {
		t.Fatalf("err = %v", err)
	}
	<-left
}

func TestN5ManyTunnelsAtOnceAndNoneLeft(t *testing.T) {
	p := meet(t)
	client := p.serveHTTP(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		_, _ = w.Write(text)
	}))
	get(t, client, "http://segno/") // whatever is made once is made
	client.CloseIdleConnections()
	before := settled(t, p, 1<<30)
	var group errgroup.Group
	for i := range 200 {
		group.Go(func() error {
			text := strings.Repeat(fmt.Sprint(i), 20_000)
			response, err := client.Post("http://segno/", "", strings.NewReader(text))
			if err != nil {
				return err
			}
			defer response.Body.Close()
			back, err := io.ReadAll(response.Body)
			if err == nil && string(back) != text {
				err = fmt.Errorf("%d: came back with %d bytes of %d", i, len(back), len(text))
			}
			return err
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	client.CloseIdleConnections()
	if after := settled(t, p, before); after > before {
		stacks := make([]byte, 1<<20)
		t.Fatalf("%d goroutines, %d before:\n%s", after, before, stacks[:runtime.Stack(stacks, true)])
	}
}

// settled waits until no tunnel is left and at most so many goroutines are.
func settled(t *testing.T, p parties, most int) int {
	t.Helper()
	for end := time.Now().Add(5 * time.Second); time.Now().Before(end); runtime.Gosched() {
		p.control.mu.Lock()
		tunnels := len(p.control.holds)
		p.control.mu.Unlock()
		if n := runtime.NumGoroutine(); tunnels == 0 && n <= most {
			return n
		}
	}
	return runtime.NumGoroutine()
}

// A caller knows the subject before the tunnel stands, and may send anything there.
func TestN5TunnelThatIsFloodedBeforeItStands(t *testing.T) {
	p := meet(t)
	const in = "tunnel.test.in"
	flooding, err := p.server.Connect("mallory")
	if err != nil {
		t.Fatal(err)
	}
	defer flooding.Close()
	flood, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for flood.Err() == nil {
			_ = flooding.nc.Publish(in, []byte("nonsense"))
			_ = flooding.nc.Flush()
		}
	}()
	for range 200 {
		tunnel, err := newTunnel(p.control, "tunnel.test.out", in, "mallory")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tunnel.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
			t.Fatalf("read: %v", err)
		}
	}
	stop()
	<-done
	settled(t, p, 1<<30)
	p.control.mu.Lock()
	defer p.control.mu.Unlock()
	if n := len(p.control.holds); n > 0 {
		t.Errorf("%d tunnels are still held", n)
	}
}

func TestN5TunnelStaysOnTheCallersOwnSubjects(t *testing.T) {
	for _, call := range []struct{ dial, id string }{
		{"ev.core.dial", "A"}, {"cmd.anna.report", "A"}, {"cmd.anna.x.dial", "A"}, {"", "A"},
		{"cmd.anna.dial", ""}, {"cmd.anna.dial", "a"}, {"cmd.anna.dial", "A.B"}, {"cmd.anna.dial", ">"}, {"cmd.anna.dial", "A B"},
		{"cmd.anna.dial", strings.Repeat("A", 65)},
	} {
		if forth, back, err := proto.TunnelSubjects(call.dial, call.id); !errors.Is(err, proto.ErrMalformed) {
			t.Errorf("%q at %q goes to %s and %s", call.id, call.dial, forth, back)
		}
	}
	p := meet(t)
	listen(t, p.control, proto.AnyUserDial)
	for _, id := range []string{"", ">", "A.B", "*"} {
		if err := p.person.nc.PublishRequest(proto.UserDial("anna"), "ev.-.pods.default", []byte(id)); err != nil {
			t.Fatal(err)
		}
	}
	conn, err := Dial(t.Context(), p.person, proto.UserDial("anna")) // in order behind the others
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	p.control.mu.Lock()
	defer p.control.mu.Unlock()
	if n := len(p.control.holds); n != 1 {
		t.Errorf("%d connections were accepted, want 1", n)
	}
}
