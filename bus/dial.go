package bus

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"sync"

	"github.com/nats-io/nats.go"

	"segno/proto"
)

// ErrNobody is wrapped by Dial's error when nobody listens at the subject: the
// node, or the control plane, is not connected.
var ErrNobody = errors.New("nobody listens there")

// backlog is how many accepted connections may wait for Accept.
const backlog = 1024

// Dial opens a connection to whoever listens at the subject: proto.UserDial or
// NodeDial.
func Dial(ctx context.Context, conn *Conn, subject string) (net.Conn, error) {
	id := rand.Text()
	forth, back, err := proto.TunnelSubjects(subject, id)
	if err != nil {
		return nil, fmt.Errorf("dial %s: %w", subject, err)
	}
	t, err := newTunnel(conn, forth, back, proto.Pinned(subject))
	if err != nil {
		return nil, fmt.Errorf("dial %s: %w", subject, err)
	}
	// As a request, so that the server tells when nobody hears it.
	if err := conn.nc.PublishRequest(subject, back, []byte(id)); err != nil {
		t.release()
		return nil, fmt.Errorf("dial %s: %w", subject, err)
	}
	if err := t.waitOpen(ctx); err != nil {
		_ = t.Close()
		return nil, fmt.Errorf("dial %s: %w", subject, err)
	}
	return t, nil
}

func (t *Tunnel) waitOpen(ctx context.Context) error {
	defer context.AfterFunc(ctx, t.wake)()
	t.mu.Lock()
	defer t.mu.Unlock()
	for !t.opened {
		switch {
		case errors.Is(t.err, errGone):
			return ErrNobody
		case t.err != nil:
			return t.err
		case ctx.Err() != nil:
			return ctx.Err()
		}
		t.changed.Wait()
	}
	return nil
}

// Listener accepts the connections that are dialled at a subject. It is a
// net.Listener; its connections are of type *Tunnel.
type Listener struct {
	conn    *Conn
	subject string
	sub     *nats.Subscription
	waiting chan *Tunnel
	closed  chan struct{}

	mu   sync.Mutex // held by who puts into waiting and by who empties it for good
	over bool
}

// Listen listens at a dial subject, whose name may be a wildcard.
func Listen(conn *Conn, subject string) (*Listener, error) {
	l := &Listener{conn: conn, subject: subject, waiting: make(chan *Tunnel, backlog), closed: make(chan struct{})}
	// One of several listeners, if there are, takes a call.
	sub, err := conn.nc.QueueSubscribe(subject, "tunnel", l.dialled)
	if err != nil {
		return nil, fmt.Errorf("listen at %s: %w", subject, err)
	}
	l.sub = sub
	if !conn.Connected() {
		return l, nil // what it says once it stands has this
	}
	if err := conn.flush(); err != nil { // from now on Dial finds it
		_ = sub.Unsubscribe()
		return nil, fmt.Errorf("listen at %s: %w", subject, err)
	}
	return l, nil
}

// dialled answers one call. Where it answers follows from the caller's pinned
// token and nothing else: a caller cannot have us speak elsewhere.
func (l *Listener) dialled(msg *nats.Msg) {
	forth, back, err := proto.TunnelSubjects(msg.Subject, string(msg.Data))
	if err != nil {
		return // not a call; nobody waits for an answer
	}
	t, err := newTunnel(l.conn, back, forth, proto.Pinned(msg.Subject))
	if err != nil {
		return // our connection is closed; the caller notices
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.over {
		t.abort("not listening any more")
		return
	}
	select {
	case l.waiting <- t:
		_ = t.send(frameOpen, nil) // fails with the connection, which Read tells
	default:
		t.abort("too many connections wait to be accepted")
	}
}

// Accept implements net.Listener.
func (l *Listener) Accept() (net.Conn, error) {
	select {
	case <-l.closed:
		return nil, net.ErrClosed
	default:
	}
	select {
	case t := <-l.waiting:
		return t, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener. Accepted connections stay.
func (l *Listener) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.over {
		return net.ErrClosed
	}
	l.over = true
	close(l.closed)
	_ = l.sub.Unsubscribe() // the connection may be closed already
	for {
		select {
		case t := <-l.waiting:
			t.abort("not listening any more")
		default:
			return nil
		}
	}
}

// Addr implements net.Listener.
func (l *Listener) Addr() net.Addr { return tunnelAddr(l.subject) }
