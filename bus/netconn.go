package bus

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"time"
)

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
