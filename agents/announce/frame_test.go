package announce

import (
	"bytes"
	"encoding/hex"
	"net"
	"net/netip"
	"strings"
	"testing"
)

var (
	here  = net.HardwareAddr{2, 0, 0, 0, 0, 1}
	there = net.HardwareAddr{2, 0, 0, 0, 0, 2}
)

func unhex(t *testing.T, text string) []byte {
	t.Helper()
	data, err := hex.DecodeString(strings.ReplaceAll(text, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// The bytes are what Linux sends.
func TestS5ARPOnTheWire(t *testing.T) {
	question := unhex(t, "0001 0800 06 04 0001 020000000002 c0000203 000000000000 c00002f0")
	p := &port{link: link{hardware: here}}
	m, err := p.understand(question, there)
	if err != nil || m.asks != netip.MustParseAddr("192.0.2.240") || m.claims != netip.MustParseAddr("192.0.2.3") || m.to.String() != there.String() {
		t.Fatalf("understood %+v, %v", m, err)
	}
	if want := unhex(t, "0001 0800 06 04 0002 020000000001 c00002f0 020000000002 c0000203"); !bytes.Equal(m.answer, want) {
		t.Errorf("answered %x, want %x", m.answer, want)
	}
	probe := unhex(t, "0001 0800 06 04 0001 020000000002 00000000 000000000000 c00002f0")
	if m, err := p.understand(probe, there); err != nil || m.claims.IsValid() || !m.asks.IsValid() {
		t.Errorf("who tries whether an address is free: %+v, %v", m, err)
	}
	gratuitous := unhex(t, "0001 0800 06 04 0001 020000000002 c00002f0 000000000000 c00002f0")
	if m, err := p.understand(gratuitous, there); err != nil || m.asks.IsValid() || m.claims != netip.MustParseAddr("192.0.2.240") {
		t.Errorf("who announces: %+v, %v", m, err)
	}
}

func TestS5NeighbourDiscoveryOnTheWire(t *testing.T) {
	question := unhex(t, "60000000 0020 3a ff 20010db8000100000000000000000003 ff0200000000000000000001ff0000f0"+
		"8700 0000 00000000 20010db80001000000000000000000f0 0101 020000000002")
	body := question[ip6Length:]
	sum := checksum(netip.AddrFrom16([16]byte(question[8:24])), netip.AddrFrom16([16]byte(question[24:40])), body)
	body[2], body[3] = byte(sum>>8), byte(sum)
	p := &port{v6: true, link: link{hardware: here, local: netip.MustParseAddr("fe80::1")}}
	m, err := p.understand(question, there)
	if err != nil || m.asks != netip.MustParseAddr("2001:db8:1::f0") || m.claims.IsValid() || m.to.String() != there.String() {
		t.Fatalf("understood %+v, %v", m, err)
	}
	said, err := parseNeighbour(m.answer)
	if err != nil || !said.advertises || said.flags != solicited|override || said.to != netip.MustParseAddr("2001:db8:1::3") ||
		said.from != p.local || said.target != m.asks || said.link.String() != here.String() {
		t.Errorf("answered %+v, %v", said, err)
	}
	probe := neighbour{from: netip.IPv6Unspecified(), to: solicitedNode(m.asks), target: m.asks}
	if m, err := p.understand(probe.bytes(), there); err != nil || m.to.String() != "33:33:00:00:00:01" {
		t.Errorf("who tries whether an address is free is told %+v, %v", m, err)
	}
}

func TestS5FramesThatMakeNoSenseAreDropped(t *testing.T) {
	good := arp{sender: there, senderIP: netip.MustParseAddr("192.0.2.3"), target: make(net.HardwareAddr, 6), wanted: netip.MustParseAddr("192.0.2.240")}
	spoil := func(at int, with ...byte) []byte {
		out := good.bytes()
		copy(out[at:], with)
		return out
	}
	for name, frame := range map[string][]byte{
		"nothing": nil, "short": good.bytes()[:27], "no Ethernet": spoil(1, 6), "no IPv4": spoil(2, 0x86, 0xdd), "long addresses": spoil(4, 8),
		"an operation that is none": spoil(7, 9), "from everybody": spoil(8, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff), "from nobody": spoil(8, 0, 0, 0, 0, 0, 0),
		"from a group": spoil(14, 224, 0, 0, 1), "from loopback": spoil(14, 127, 0, 0, 1), "from all": spoil(14, 255, 255, 255, 255),
	} {
		if m, err := parseARP(frame); err == nil {
			t.Errorf("ARP, %s: understood as %+v", name, m)
		}
	}
	target := netip.MustParseAddr("2001:db8:1::f0")
	ask := neighbour{from: netip.MustParseAddr("2001:db8:1::3"), to: solicitedNode(target), target: target, link: there}
	worse := func(change func(*neighbour)) []byte { m := ask; change(&m); return m.bytes() }
	broken := func(at int, with byte) []byte { out := ask.bytes(); out[at] = with; return out }
	for name, packet := range map[string][]byte{
		"short": ask.bytes()[:60], "of another router": broken(7, 254), "a wrong sum": broken(42, 1), "longer than it is": broken(5, 255), "IPv4": broken(0, 0x45),
		"an option without length": broken(65, 0), "an option beyond the end": broken(65, 2),
		"about a group":       worse(func(m *neighbour) { m.target = allNodes }),
		"from a group":        worse(func(m *neighbour) { m.from = allNodes }),
		"at a group's place":  worse(func(m *neighbour) { m.link = groupLink(allNodes) }),
		"nobody at a place":   worse(func(m *neighbour) { m.from = netip.IPv6Unspecified() }),
		"nobody asks one":     worse(func(m *neighbour) { m.from, m.link, m.to = netip.IPv6Unspecified(), nil, target }),
		"nobody advertises":   worse(func(m *neighbour) { m.from, m.link, m.advertises = netip.IPv6Unspecified(), nil, true }),
		"a group has asked":   worse(func(m *neighbour) { m.to, m.advertises, m.flags = allNodes, true, solicited }),
		"an echo (no. 128)":   broken(40, 128),
		"a code that is none": broken(41, 1),
	} {
		if m, err := parseNeighbour(packet); err == nil {
			t.Errorf("neighbour discovery, %s: understood as %+v", name, m)
		}
	}
}

func FuzzS5Frames(f *testing.F) {
	target := netip.MustParseAddr("2001:db8:1::f0")
	f.Add(arp{sender: there, senderIP: netip.MustParseAddr("192.0.2.3"), target: here, wanted: netip.MustParseAddr("192.0.2.240")}.bytes())
	f.Add(neighbour{from: netip.MustParseAddr("2001:db8:1::3"), to: solicitedNode(target), target: target, link: there}.bytes())
	f.Fuzz(func(t *testing.T, packet []byte) {
		for _, p := range []*port{{link: link{hardware: here}}, {v6: true, link: link{hardware: here, local: netip.MustParseAddr("fe80::1")}}} {
			m, err := p.understand(packet, there)
			if err == nil && m.asks.IsValid() && (len(m.answer) == 0 || len(m.to) != 6) {
				t.Errorf("asks for %s, and is answered %x at %s", m.asks, m.answer, m.to)
			}
		}
	})
}
