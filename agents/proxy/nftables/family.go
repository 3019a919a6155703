package nftables

import (
	"encoding/binary"
	"net/netip"

	nft "github.com/google/nftables"
	"golang.org/x/sys/unix"

	"segno/agents/network"
)

// family is IPv4 or IPv6: a table, and where addresses are in a packet.
type family struct {
	table        *nft.Table
	words        uint32 // of an address
	address      nft.SetDatatype
	source       uint32 // offset in the header
	destination  uint32
	unreachable  uint8 // the ICMP code of "port unreachable"
	bridgeSwitch string
}

func families(table string) [2]family {
	return [2]family{
		{
			table: &nft.Table{Name: table, Family: nft.TableFamilyIPv4}, words: 1, address: nft.TypeIPAddr,
			source: 12, destination: 16, unreachable: 3, bridgeSwitch: network.BridgeSwitch(false),
		},
		{
			table: &nft.Table{Name: table, Family: nft.TableFamilyIPv6}, words: 4, address: nft.TypeIP6Addr,
			source: 8, destination: 24, unreachable: 4, bridgeSwitch: network.BridgeSwitch(true),
		},
	}
}

// of answers which of the families an address is of.
func of(a netip.Addr) int {
	if a.Is6() {
		return 1
	}
	return 0
}

// The elements' bytes: every field padded to four, as in the registers.

func bytesOf(a netip.Addr) []byte { return a.AsSlice() }

func port(p uint16) []byte { return []byte{byte(p >> 8), byte(p), 0, 0} }

func word(n uint32) []byte { return binary.NativeEndian.AppendUint32(nil, n) }

// protocols by their names in Services.
var protocols = map[string]byte{"TCP": unix.IPPROTO_TCP, "UDP": unix.IPPROTO_UDP, "SCTP": unix.IPPROTO_SCTP}
