package userspace

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"

	"golang.org/x/sys/unix"
	corev1 "k8s.io/api/core/v1"

	"segno/agents/proxy"
)

// port is a frontend with what listens for it; without a backend nothing does,
// and the kernel refuses.
type port struct {
	*front
	tcp  *tcp
	udp  *udp
	made bool // its address is local because of it
}

// fit makes a port listen if it has a backend, and not if it has none.
func (p *Plane) fit(ctx context.Context, at *port, f *proxy.Frontend) error {
	if _, other := p.others[f.Dial.Address]; other {
		p.close(at)
		return p.disown(at)
	}
	if err := p.own(at, f); err != nil {
		return err
	}
	if len(f.Outside.Backends) == 0 && len(f.Inside.Backends) == 0 {
		p.close(at)
		return nil
	}
	if at.udp != nil {
		at.udp.settle()
	}
	if at.tcp != nil || at.udp != nil {
		return nil
	}
	var err error
	switch f.Dial.Protocol {
	case corev1.ProtocolTCP:
		err = p.listenTCP(ctx, at, f.Dial)
	case corev1.ProtocolUDP:
		err = p.listenUDP(ctx, at, f.Dial)
	default:
		err = fmt.Errorf("%s: the userspace proxy cannot carry %s; the modes ipvs and nftables can", f.Dial, f.Dial.Protocol)
	}
	if err == nil {
		p.net.listen(f.Dial, true)
	}
	return err
}

// own makes the port's address this node's.
func (p *Plane) own(at *port, f *proxy.Frontend) error {
	if f.Kind == proxy.NodePort {
		return nil
	}
	a := f.Dial.Address
	if _, ours := p.ours[a]; !ours {
		made, err := makeLocal(a)
		if err != nil || !made {
			return err
		}
		p.ours[a] = struct{}{}
	}
	if !at.made {
		at.made = true
		p.uses[a]++
	}
	return nil
}

// disown gives the address back with its last port.
func (p *Plane) disown(at *port) error {
	a := at.rules.Dial.Address
	if !at.made {
		return nil
	}
	at.made = false
	if p.uses[a]--; p.uses[a] > 0 {
		return nil
	}
	delete(p.uses, a)
	delete(p.ours, a)
	return dropLocal(a)
}

// close stops listening. Connections go on, flows of UDP do not.
func (p *Plane) close(at *port) {
	p.net.listen(at.rules.Dial, false)
	if at.udp != nil {
		at.udp.cut()
		at.udp = nil
	}
	if at.tcp != nil {
		at.tcp.close()
		p.leaving[&port{front: at.front, tcp: at.tcp}] = struct{}{}
		at.tcp = nil
	}
}

func (at *port) cut() {
	if at.tcp != nil {
		at.tcp.cut()
	}
	if at.udp != nil {
		at.udp.cut()
	}
}

func (p *Plane) listenTCP(ctx context.Context, at *port, d proxy.Dial) error {
	lc := net.ListenConfig{Control: at.control}
	l, err := lc.Listen(ctx, "tcp", netip.AddrPortFrom(d.Address, d.Port).String())
	if err != nil {
		return fmt.Errorf("listen on %s: %w", d, err)
	}
	at.tcp = &tcp{front: at.front, room: p.room, listener: l.(*net.TCPListener), conns: map[net.Conn]struct{}{}}
	go at.tcp.serve()
	return nil
}

func (p *Plane) listenUDP(ctx context.Context, at *port, d proxy.Dial) error {
	lc := net.ListenConfig{Control: at.control}
	c, err := lc.ListenPacket(ctx, "udp", netip.AddrPortFrom(d.Address, d.Port).String())
	if err != nil {
		return fmt.Errorf("listen on %s: %w", d, err)
	}
	at.udp = &udp{front: at.front, room: p.room, conn: c.(*net.UDPConn), local: d.Address, flows: map[netip.AddrPort]*flow{}}
	go at.udp.serve()
	return nil
}

// control lets a socket have an address that only a route makes local.
func (at *port) control(network, _ string, raw syscall.RawConn) error {
	if !at.made {
		return nil
	}
	level, option := unix.SOL_IP, unix.IP_FREEBIND
	if network == "tcp6" || network == "udp6" {
		level, option = unix.SOL_IPV6, unix.IPV6_FREEBIND
	}
	var failed error
	err := raw.Control(func(fd uintptr) { failed = unix.SetsockoptInt(int(fd), level, option, 1) })
	return errors.Join(err, failed)
}
