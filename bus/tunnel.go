package bus

import (
	"encoding/binary"
	"fmt"
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
	t.mu.Lock()
	t.ping = time.AfterFunc(tunnelPing, t.alive)
	t.mu.Unlock()
	conn.hold(t, func() { t.fail(fmt.Errorf("the connection to the bus was lost: %w", errReset)) })
	sub, err := conn.nc.Subscribe(in, t.receive)
	if err == nil {
		err = sub.SetPendingLimits(-1, -1) // the window bounds it
		t.subscribed(sub)
	}
	if err != nil {
		err = fmt.Errorf("subscribe to %s: %w", in, err)
		t.fail(err)
		return nil, err
	}
	return t, nil
}

// subscribed keeps the subscription, to be ended with the tunnel: at once when
// its first frames have broken that already.
func (t *Tunnel) subscribed(sub *nats.Subscription) {
	t.mu.Lock()
	t.sub = sub
	broken := t.err != nil
	t.mu.Unlock()
	if broken {
		t.release()
	}
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
	sub := t.sub
	t.mu.Unlock()
	if sub != nil {
		_ = sub.Unsubscribe() // done already, or the connection is closed
	}
}

// wake makes those who wait look again.
func (t *Tunnel) wake() {
	t.mu.Lock()
	t.changed.Broadcast()
	t.mu.Unlock()
}
