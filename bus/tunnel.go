package bus

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/nats-io/nats.go"
)

const (
	tunnelWindow = 1 << 20 // bytes under way in one direction, unread
	tunnelChunk  = 64 << 10
	frameCost    = 64 // what a frame takes of the window besides its bytes
	tunnelPing   = 5 * time.Second
	tunnelDead   = 15 * time.Second // without a sign of life
)

// errReset is wrapped by what Read and Write answer on a broken tunnel, and
// errGone when the server knows nobody at the other end.
var (
	errReset error = syscall.ECONNRESET
	errGone        = fmt.Errorf("nobody is at the other end: %w", errReset)
)

// Tunnel is a full-duplex connection over the bus: a net.Conn with half-close.
// Frames travel on a subject for each direction; a window bounds what is under
// way. A gap in the frames' numbers, a peer that is gone, or a lost bus
// connection breaks it.
type Tunnel struct {
	conn *Conn
	out  string // subject of our frames
	in   string // subject of theirs
	peer string
	sub  *nats.Subscription
	ping *time.Timer

	sending sync.Mutex // held across publish: order must match the numbers
	number  uint32     // of our newest frame
	buffer  []byte

	writing sync.Mutex // one Write at a time

	mu       sync.Mutex
	changed  sync.Cond
	opened   bool
	heard    time.Time // last sign of life
	expected uint32    // number of their next frame
	unread   [][]byte
	buffered int  // bytes in unread
	read     int  // bytes read since the last credit
	credit   int  // bytes that we may send
	ended    bool // they send no more
	deaf     bool // they read no more
	finished bool // we send no more
	closed   bool // by us
	err      error
	readBy   deadline
	writeBy  deadline
}

// newTunnel subscribes to the peer's frames. Whatever is published on the
// same connection afterwards reaches a server that knows of the subscription.
func newTunnel(conn *Conn, out, in, peer string) (*Tunnel, error) {
	t := &Tunnel{conn: conn, out: out, in: in, peer: peer, credit: tunnelWindow, expected: 1, heard: time.Now()}
	t.changed.L = &t.mu
	sub, err := conn.nc.Subscribe(in, t.receive)
	if err != nil {
		return nil, fmt.Errorf("subscribe to %s: %w", in, err)
	}
	if err := sub.SetPendingLimits(-1, -1); err != nil { // the window bounds it
		return nil, fmt.Errorf("subscribe to %s: %w", in, err)
	}
	t.sub = sub
	conn.hold(t, func() { t.fail(fmt.Errorf("the connection to the bus was lost: %w", errReset)) })
	t.mu.Lock()
	t.ping = time.AfterFunc(tunnelPing, t.alive)
	t.mu.Unlock()
	return t, nil
}

// Peer is the name in the pinned token of the subject that was dialled: the
// user or node that called, or the node that was called.
func (t *Tunnel) Peer() string { return t.peer }

// alive asks whether the peer is still there, and gives up when it is not.
func (t *Tunnel) alive() {
	t.mu.Lock()
	silent, over := time.Since(t.heard), t.closed || t.err != nil
	if !over {
		t.ping.Reset(tunnelPing)
	}
	t.mu.Unlock()
	switch {
	case over:
	case silent >= tunnelDead:
		t.fail(fmt.Errorf("nothing heard for %s: %w", silent, errReset))
	default:
		_ = t.send(framePing, nil) // a failure shows as silence
	}
}

// send publishes one frame.
func (t *Tunnel) send(kind byte, body []byte) error {
	t.sending.Lock()
	defer t.sending.Unlock()
	t.number++
	t.buffer = putFrame(t.buffer, kind, t.number, body)
	if kind == framePing {
		return t.conn.nc.PublishRequest(t.out, t.in, t.buffer)
	}
	return t.conn.nc.Publish(t.out, t.buffer)
}

// receive takes one frame of the peer. It never waits: reading is up to Read.
func (t *Tunnel) receive(msg *nats.Msg) {
	if msg.Header.Get("Status") == "503" {
		t.fail(errGone)
		return
	}
	kind, number, body, ok := getFrame(msg.Data)
	t.mu.Lock()
	if !ok || number != t.expected {
		t.mu.Unlock()
		t.abort("frames were lost")
		return
	}
	t.expected++
	t.heard = time.Now()
	problem := t.take(kind, body)
	t.changed.Broadcast()
	t.mu.Unlock()
	if problem != "" {
		t.abort(problem)
	}
}

// take applies a frame; t.mu is held. It answers what is wrong with it.
func (t *Tunnel) take(kind byte, body []byte) string {
	switch kind {
	case frameOpen:
		t.opened = true
	case frameData:
		if t.ended || t.buffered+len(body)+frameCost > tunnelWindow {
			return "more was sent than the window allows"
		}
		t.unread = append(t.unread, body)
		t.buffered += len(body) + frameCost
	case frameCredit:
		if len(body) != 4 {
			return "malformed credit"
		}
		if t.credit += int(binary.BigEndian.Uint32(body)); t.credit > tunnelWindow {
			return "more was acknowledged than sent"
		}
	case frameFin:
		t.ended = true
	case frameClose:
		t.ended, t.deaf = true, true
	case framePing: // t.heard is all that it is for
	case frameReset:
		t.broken(fmt.Errorf("reset by the other end (%s): %w", body, errReset))
	default:
		return fmt.Sprintf("unknown frame %d", kind)
	}
	return ""
}

// abort breaks the tunnel and tells the peer why.
func (t *Tunnel) abort(why string) {
	_ = t.send(frameReset, []byte(why)) // the peer also notices by itself
	t.fail(fmt.Errorf("%s: %w", why, errReset))
}

// fail breaks the tunnel: reads and writes answer err from now on.
func (t *Tunnel) fail(err error) {
	t.mu.Lock()
	t.broken(err)
	t.mu.Unlock()
	t.release()
}

// broken is fail with t.mu held.
func (t *Tunnel) broken(err error) {
	if t.err == nil {
		t.err = err
	}
	t.unread = nil
	t.changed.Broadcast()
}

// release gives back what the tunnel holds of the connection. It may be
// called more than once.
func (t *Tunnel) release() {
	t.conn.letGo(t)
	t.mu.Lock()
	t.ping.Stop()
	t.mu.Unlock()
	_ = t.sub.Unsubscribe() // done already, or the connection is closed
}

// wake makes those who wait look again.
func (t *Tunnel) wake() {
	t.mu.Lock()
	t.changed.Broadcast()
	t.mu.Unlock()
}

// Read implements net.Conn.
func (t *Tunnel) Read(p []byte) (int, error) {
	n, credit, err := t.readNow(p)
	if credit > 0 {
		if err := t.send(frameCredit, binary.BigEndian.AppendUint32(nil, uint32(credit))); err != nil {
			t.fail(fmt.Errorf("acknowledge what was read: %w", err))
		}
	}
	return n, err
}

// readNow waits for something to read, and answers how much may be
// acknowledged now.
func (t *Tunnel) readNow(p []byte) (n, credit int, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for len(t.unread) == 0 {
		switch {
		case t.closed:
			return 0, 0, net.ErrClosed
		case t.err != nil:
			return 0, 0, t.err
		case t.readBy.passed():
			return 0, 0, os.ErrDeadlineExceeded
		case t.ended:
			return 0, 0, io.EOF
		case len(p) == 0:
			return 0, 0, nil
		}
		t.changed.Wait()
	}
	if t.closed {
		return 0, 0, net.ErrClosed
	}
	if t.readBy.passed() {
		return 0, 0, os.ErrDeadlineExceeded
	}
	for n < len(p) && len(t.unread) > 0 {
		m := copy(p[n:], t.unread[0])
		n += m
		if t.unread[0] = t.unread[0][m:]; len(t.unread[0]) == 0 {
			t.unread = t.unread[1:]
			m += frameCost
		}
		t.buffered -= m
		t.read += m
	}
	if t.read >= tunnelWindow/4 && !t.ended {
		credit, t.read = t.read, 0
	}
	return n, credit, nil
}

// Write implements net.Conn. It returns once everything is under way, which
// the peer's reading makes room for.
func (t *Tunnel) Write(p []byte) (int, error) {
	t.writing.Lock()
	defer t.writing.Unlock()
	written := 0
	for written < len(p) {
		n, err := t.reserve(min(len(p)-written, tunnelChunk))
		if err != nil {
			return written, err
		}
		if err := t.send(frameData, p[written:written+n]); err != nil {
			return written, fmt.Errorf("write to %s: %w", t.out, err)
		}
		written += n
	}
	return written, nil
}

// reserve waits for room and takes up to n bytes of it.
func (t *Tunnel) reserve(n int) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for {
		switch {
		case t.closed || t.finished:
			return 0, net.ErrClosed
		case t.err != nil:
			return 0, t.err
		case t.deaf:
			return 0, fmt.Errorf("the other end has closed: %w", syscall.EPIPE)
		case t.writeBy.passed():
			return 0, os.ErrDeadlineExceeded
		case t.credit > frameCost:
			n = min(n, t.credit-frameCost)
			t.credit -= n + frameCost
			return n, nil
		}
		t.changed.Wait()
	}
}

// CloseWrite ends our side: the peer reads to the end and may still write.
func (t *Tunnel) CloseWrite() error {
	t.writing.Lock()
	defer t.writing.Unlock()
	t.mu.Lock()
	over := t.closed || t.err != nil
	again := t.finished
	t.finished = true
	t.mu.Unlock()
	switch {
	case over:
		return net.ErrClosed
	case again:
		return nil
	default:
		return t.send(frameFin, nil)
	}
}

// Close implements net.Conn. What was written is still delivered.
func (t *Tunnel) Close() error {
	t.mu.Lock()
	again, failed := t.closed, t.err != nil
	t.closed = true
	t.unread = nil
	t.readBy.set(time.Time{}, nil)
	t.writeBy.set(time.Time{}, nil)
	t.changed.Broadcast()
	t.mu.Unlock()
	if again {
		return net.ErrClosed
	}
	var err error
	if !failed {
		err = t.send(frameClose, nil)
	}
	t.release()
	return err
}

// LocalAddr implements net.Conn.
func (t *Tunnel) LocalAddr() net.Addr { return tunnelAddr(t.in) }

// RemoteAddr implements net.Conn.
func (t *Tunnel) RemoteAddr() net.Addr { return tunnelAddr(t.out) }

// tunnelAddr is a subject as an address.
type tunnelAddr string

// Network implements net.Addr.
func (a tunnelAddr) Network() string { return "nats" }

// String implements net.Addr.
func (a tunnelAddr) String() string { return string(a) }

// SetDeadline implements net.Conn.
func (t *Tunnel) SetDeadline(at time.Time) error {
	return errors.Join(t.SetReadDeadline(at), t.SetWriteDeadline(at))
}

// SetReadDeadline implements net.Conn.
func (t *Tunnel) SetReadDeadline(at time.Time) error { return t.setDeadline(&t.readBy, at) }

// SetWriteDeadline implements net.Conn.
func (t *Tunnel) SetWriteDeadline(at time.Time) error { return t.setDeadline(&t.writeBy, at) }

func (t *Tunnel) setDeadline(d *deadline, at time.Time) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return net.ErrClosed
	}
	d.set(at, t.wake)
	t.changed.Broadcast()
	return nil
}
