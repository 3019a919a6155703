package announce

import (
	"context"
	"fmt"
	"net"
	"net/netip"

	"github.com/mdlayher/socket"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// port is where one protocol is spoken on one link.
type port struct {
	link
	v6      bool
	packets *socket.Conn
	groups  int // socket that is in the groups, or -1
	joined  map[netip.Addr]bool
}

// place tells ports apart.
type place struct {
	index int
	v6    bool
}

// neighboursOnly lets through what may be a message of neighbour discovery.
var neighboursOnly = []bpf.Instruction{
	bpf.LoadAbsolute{Off: 6, Size: 1}, bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: icmp6, SkipTrue: 6},
	bpf.LoadAbsolute{Off: 7, Size: 1}, bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: farthest, SkipTrue: 4},
	bpf.LoadAbsolute{Off: ip6Length, Size: 1}, bpf.JumpIf{Cond: bpf.JumpEqual, Val: solicitation, SkipTrue: 1},
	bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: advertisement, SkipTrue: 1},
	bpf.RetConstant{Val: longest},
	bpf.RetConstant{Val: 0},
}

// longest packet that is looked at.
const longest = 1500

func openPort(l link, v6 bool) (p *port, err error) {
	p = &port{link: l, v6: v6, groups: -1, joined: map[netip.Addr]bool{}}
	defer func() {
		if err != nil {
			p.close()
			err = fmt.Errorf("listen on %s for who asks for load balancer addresses (this needs CAP_NET_RAW): %w", l.name, err)
		}
	}()
	// With protocol 0 nothing is received before the filter is there.
	if p.packets, err = socket.Socket(unix.AF_PACKET, unix.SOCK_DGRAM, 0, "announce", nil); err != nil {
		return p, err
	}
	if v6 {
		filter, err := bpf.Assemble(neighboursOnly)
		if err != nil {
			return p, err
		}
		if err := p.packets.SetBPF(filter); err != nil {
			return p, err
		}
		if p.groups, err = unix.Socket(unix.AF_INET6, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0); err != nil {
			return p, err
		}
	}
	return p, p.packets.Bind(&unix.SockaddrLinklayer{Protocol: p.protocol(), Ifindex: l.index})
}

// protocol is in network byte order.
func (p *port) protocol() uint16 {
	kind := uint16(unix.ETH_P_ARP)
	if p.v6 {
		kind = unix.ETH_P_IPV6
	}
	return kind<<8 | kind>>8
}

func (p *port) close() {
	if p.packets != nil {
		_ = p.packets.Close() // nothing is written that could be lost
	}
	if p.groups >= 0 {
		_ = unix.Close(p.groups)
		p.groups = -1
	}
}

// read answers the next packet from the link, and by whom it was sent; buffer is
// the reader's.
func (p *port) read(ctx context.Context, buffer []byte) (packet []byte, from net.HardwareAddr, err error) {
	for {
		n, sender, err := p.packets.Recvfrom(ctx, buffer, 0)
		if err != nil {
			return nil, nil, err
		}
		at, ok := sender.(*unix.SockaddrLinklayer)
		if !ok || at.Pkttype == unix.PACKET_OUTGOING {
			continue
		}
		if from := net.HardwareAddr(at.Addr[:6]); unicast(from) {
			return buffer[:n], from, nil
		}
	}
}

func (p *port) write(ctx context.Context, to net.HardwareAddr, packet []byte) error {
	at := &unix.SockaddrLinklayer{Protocol: p.protocol(), Ifindex: p.index, Halen: uint8(len(to))}
	copy(at.Addr[:], to)
	if err := p.packets.Sendto(ctx, packet, 0, at); err != nil {
		return fmt.Errorf("send on %s: %w", p.name, err)
	}
	return nil
}

// join makes these the addresses that may be asked for on the link: switches and
// cards pass the questions on.
func (p *port) join(addresses []netip.Addr) error {
	if !p.v6 {
		return nil
	}
	want := map[netip.Addr]bool{}
	for _, address := range addresses {
		want[solicitedNode(address)] = true
	}
	for group := range p.joined {
		if !want[group] {
			_ = p.member(unix.IPV6_LEAVE_GROUP, group) // one that is left out costs a packet now and then
			delete(p.joined, group)
		}
	}
	for group := range want {
		if p.joined[group] {
			continue
		}
		if err := p.member(unix.IPV6_JOIN_GROUP, group); err != nil {
			return fmt.Errorf("join %s on %s: %w", group, p.name, err)
		}
		p.joined[group] = true
	}
	return nil
}

func (p *port) member(what int, group netip.Addr) error {
	return unix.SetsockoptIPv6Mreq(p.groups, unix.IPPROTO_IPV6, what, &unix.IPv6Mreq{Multiaddr: group.As16(), Interface: uint32(p.index)})
}

var everybody = net.HardwareAddr{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}

// probe asks who has the address, and says nothing about where it is.
func (p *port) probe(ctx context.Context, address netip.Addr) error {
	if p.v6 {
		to := solicitedNode(address)
		return p.write(ctx, groupLink(to), neighbour{from: netip.IPv6Unspecified(), to: to, target: address}.bytes())
	}
	m := arp{sender: p.hardware, senderIP: netip.IPv4Unspecified(), target: make(net.HardwareAddr, 6), wanted: address}
	return p.write(ctx, everybody, m.bytes())
}

// announce says to all neighbours that the address is here: to those who believe
// questions, and to those who believe answers.
func (p *port) announce(ctx context.Context, address netip.Addr) error {
	if p.v6 {
		return p.write(ctx, groupLink(allNodes), advertised(address, p.local, p.hardware).bytes())
	}
	m := arp{sender: p.hardware, senderIP: address, target: make(net.HardwareAddr, 6), wanted: address}
	if err := p.write(ctx, everybody, m.bytes()); err != nil {
		return err
	}
	m.reply, m.target = true, p.hardware
	return p.write(ctx, everybody, m.bytes())
}
