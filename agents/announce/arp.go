package announce

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
)

// arp is a message of ARP over Ethernet for IPv4 (RFC 826).
type arp struct {
	reply            bool
	sender, target   net.HardwareAddr
	senderIP, wanted netip.Addr
}

const arpLength = 28

// arpHead is Ethernet, IPv4, and their lengths.
var arpHead = []byte{0, 1, 8, 0, 6, 4}

var errFrame = errors.New("a frame that makes no sense")

// parseARP reads a message. One whose sender is nobody's address is none.
func parseARP(data []byte) (m arp, err error) {
	if len(data) < arpLength || !bytes.Equal(data[:6], arpHead) {
		return m, errFrame
	}
	switch binary.BigEndian.Uint16(data[6:]) {
	case 1:
	case 2:
		m.reply = true
	default:
		return m, errFrame
	}
	m.sender, m.target = bytes.Clone(data[8:14]), bytes.Clone(data[18:24])
	m.senderIP, m.wanted = netip.AddrFrom4([4]byte(data[14:18])), netip.AddrFrom4([4]byte(data[24:28]))
	if !unicast(m.sender) || m.senderIP.IsMulticast() || m.senderIP.IsLoopback() || m.senderIP == netip.AddrFrom4([4]byte{255, 255, 255, 255}) {
		return m, errFrame
	}
	return m, nil
}

func (m arp) bytes() []byte {
	out := make([]byte, 0, arpLength)
	out = append(out, arpHead...)
	operation := uint16(1)
	if m.reply {
		operation = 2
	}
	out = binary.BigEndian.AppendUint16(out, operation)
	out = append(append(out, m.sender...), m.senderIP.AsSlice()...)
	return append(append(out, m.target...), m.wanted.AsSlice()...)
}

// claim tells whether the sender says that an address is its own, which every
// message does but for a probe.
func (m arp) claim() (netip.Addr, bool) { return m.senderIP, !m.senderIP.IsUnspecified() }

// asks tells whether somebody wants to know where an address is: not one who
// says that it is its own.
func (m arp) asks() bool { return !m.reply && m.senderIP != m.wanted }

// answered is the reply that puts the address at the hardware address.
func (m arp) answered(at net.HardwareAddr) arp {
	return arp{reply: true, sender: at, senderIP: m.wanted, target: m.sender, wanted: m.senderIP}
}

// unicast tells whether a hardware address can be one machine's.
func unicast(a net.HardwareAddr) bool {
	return len(a) == 6 && a[0]&1 == 0 && !bytes.Equal(a, make([]byte, 6))
}
