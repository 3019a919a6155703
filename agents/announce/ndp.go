package announce

import (
	"bytes"
	"encoding/binary"
	"net"
	"net/netip"
)

// Neighbour discovery of IPv6 (RFC 4861), with its IPv6 header.
const (
	ip6Length     = 40
	solicitation  = 135
	advertisement = 136
	ndpLength     = 24 // of either, without options
	icmp6         = 58
	farthest      = 255 // hop limit of what came from a neighbour

	optionSource, optionTarget = 1, 2
	// flags of an advertisement
	solicited, override = 0x40, 0x20
)

var allNodes = netip.MustParseAddr("ff02::1")

// neighbour is a solicitation, or an advertisement.
type neighbour struct {
	advertises bool
	from, to   netip.Addr
	target     netip.Addr
	flags      byte
	link       net.HardwareAddr // of the sender, or of the target; nil is not said
}

// parseNeighbour reads a packet. All that RFC 4861 asks to be looked at is.
func parseNeighbour(p []byte) (m neighbour, err error) {
	if len(p) < ip6Length+ndpLength || p[0]>>4 != 6 || p[6] != icmp6 || p[7] != farthest {
		return m, errFrame
	}
	length := int(binary.BigEndian.Uint16(p[4:]))
	if length < ndpLength || len(p) < ip6Length+length {
		return m, errFrame
	}
	body := p[ip6Length : ip6Length+length]
	m.from, m.to = netip.AddrFrom16([16]byte(p[8:24])), netip.AddrFrom16([16]byte(p[24:40]))
	m.advertises = body[0] == advertisement
	m.flags, m.target = body[4], netip.AddrFrom16([16]byte(body[8:24]))
	if (body[0] != solicitation && !m.advertises) || body[1] != 0 || m.from.IsMulticast() || m.target.IsMulticast() || checksum(m.from, m.to, body) != 0 {
		return m, errFrame
	}
	if m.advertises && m.to.IsMulticast() && m.flags&solicited != 0 {
		return m, errFrame
	}
	want := byte(optionSource)
	if m.advertises {
		want = optionTarget
	}
	if m.link, err = option(body[ndpLength:], want); err != nil {
		return m, err
	}
	if m.from.IsUnspecified() && (m.advertises || m.link != nil || m.to != solicitedNode(m.target)) {
		return m, errFrame
	}
	return m, nil
}

// option finds a link-layer address among the options; nil when there is none.
func option(options []byte, want byte) (found net.HardwareAddr, err error) {
	for len(options) > 0 {
		if len(options) < 2 || options[1] == 0 || len(options) < int(options[1])*8 {
			return nil, errFrame
		}
		length := int(options[1]) * 8
		if options[0] == want && length == 8 {
			if found = bytes.Clone(options[2:8]); !unicast(found) {
				return nil, errFrame
			}
		}
		options = options[length:]
	}
	return found, nil
}

// bytes is the whole packet.
func (m neighbour) bytes() []byte {
	body := make([]byte, ndpLength, ndpLength+8)
	kind := byte(optionSource)
	if body[0] = solicitation; m.advertises {
		body[0], kind = advertisement, optionTarget
	}
	body[4] = m.flags
	copy(body[8:], m.target.AsSlice())
	if m.link != nil {
		body = append(append(body, kind, 1), m.link...)
	}
	binary.BigEndian.PutUint16(body[2:], checksum(m.from, m.to, body))
	out := make([]byte, 8, ip6Length+len(body))
	out[0], out[6], out[7] = 6<<4, icmp6, farthest
	binary.BigEndian.PutUint16(out[4:], uint16(len(body)))
	out = append(append(out, m.from.AsSlice()...), m.to.AsSlice()...)
	return append(out, body...)
}

// answered is the advertisement that puts the target at the hardware address; who
// only tries whether the address is free is told with all others.
func (m neighbour) answered(from netip.Addr, at net.HardwareAddr) neighbour {
	out := advertised(m.target, from, at)
	if !m.from.IsUnspecified() {
		out.to, out.flags = m.from, solicited|override
	}
	return out
}

// advertised tells all neighbours.
func advertised(target, from netip.Addr, at net.HardwareAddr) neighbour {
	return neighbour{advertises: true, from: from, to: allNodes, target: target, flags: override, link: at}
}

// solicitedNode is the group in which an address is asked for.
func solicitedNode(a netip.Addr) netip.Addr {
	group := netip.MustParseAddr("ff02::1:ff00:0").As16()
	of := a.As16()
	copy(group[13:], of[13:])
	return netip.AddrFrom16(group)
}

// groupLink is the hardware address of a group.
func groupLink(a netip.Addr) net.HardwareAddr {
	of := a.As16()
	return net.HardwareAddr{0x33, 0x33, of[12], of[13], of[14], of[15]}
}

// checksum is that of ICMPv6; 0 over a message that has the right one.
func checksum(from, to netip.Addr, body []byte) uint16 {
	var sum uint32
	add := func(data []byte) {
		for i := 0; i < len(data); i += 2 {
			word := uint32(data[i]) << 8
			if i+1 < len(data) {
				word |= uint32(data[i+1])
			}
			sum += word
		}
	}
	add(from.AsSlice())
	add(to.AsSlice())
	sum += uint32(len(body)) + icmp6
	add(body)
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}
