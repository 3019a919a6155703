package nftables

import (
	"errors"
	"fmt"
	"time"
	"unsafe"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

const (
	// buffers is the size of the socket's buffers.
	buffers = 16 << 20
	// atOnce is as much as the kernel answers at once.
	atOnce = 32 << 10
)

// roomy makes a socket fit for very many elements.
func roomy(c *netlink.Conn) error {
	return errors.Join(c.SetReadBuffer(buffers), c.SetWriteBuffer(buffers), longAnswers(c))
}

// longAnswers makes the kernel answer with more than a page at once: it walks a
// set from its beginning for each part of an answer. It takes what was received
// so far as a sign of how much there is room for, so it is asked for nothing,
// with room for much.
func longAnswers(c *netlink.Conn) error {
	raw, err := c.SyscallConn()
	if err != nil {
		return fmt.Errorf("reach the socket: %w", err)
	}
	ask := netlink.Header{Length: unix.NLMSG_HDRLEN, Type: netlink.Noop, Flags: netlink.Request | netlink.Acknowledge}
	var failed error
	err = raw.Control(func(fd uintptr) {
		request := unsafe.Slice((*byte)(unsafe.Pointer(&ask)), unix.NLMSG_HDRLEN)
		failed = unix.Sendto(int(fd), request, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK})
		if failed != nil {
			return
		}
		// The answer is there when the request was taken.
		for end := time.Now().Add(time.Second); time.Now().Before(end); {
			_, _, failed = unix.Recvfrom(int(fd), make([]byte, atOnce), unix.MSG_DONTWAIT)
			if failed == nil || !errors.Is(failed, unix.EAGAIN) && !errors.Is(failed, unix.EINTR) {
				return
			}
		}
	})
	if err := errors.Join(err, failed); err != nil {
		return fmt.Errorf("ask the kernel for longer answers: %w", err)
	}
	return nil
}
