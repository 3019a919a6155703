package network

import (
	"encoding/binary"
	"net"
	"net/netip"

	nft "github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// The expressions. Register n is the n-th of four bytes.

func reg(n uint32) uint32 { return unix.NFT_REG32_00 + n }

func (h half) load(offset, at uint32) []expr.Any {
	return []expr.Any{&expr.Payload{DestRegister: reg(at), Base: expr.PayloadBaseNetworkHeader, Offset: offset, Len: 4 * h.words}}
}

// port loads protocol and destination port.
func port(at uint32) []expr.Any {
	return []expr.Any{
		&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: reg(at)},
		&expr.Payload{DestRegister: reg(at + 1), Base: expr.PayloadBaseTransportHeader, Offset: 2, Len: 2},
	}
}

func toThisNode() []expr.Any {
	return []expr.Any{
		&expr.Fib{Register: reg(0), ResultADDRTYPE: true, FlagDADDR: true},
		&expr.Cmp{Op: expr.CmpOpEq, Register: reg(0), Data: binary.NativeEndian.AppendUint32(nil, unix.RTN_LOCAL)},
	}
}

// find translates the destination to what a map says of the key in register 0.
func (h half) find(m *nft.Set) []expr.Any {
	const to = 8
	return []expr.Any{
		&expr.Lookup{SourceRegister: reg(0), DestRegister: reg(to), IsDestRegSet: true, SetName: m.Name, SetID: m.ID},
		&expr.NAT{Type: expr.NATTypeDestNAT, Family: uint32(h.table.Family), RegAddrMin: reg(to), RegProtoMin: reg(to + h.words), Specified: true},
	}
}

func translated() []expr.Any {
	const bit = 1 << 5 // IPS_DST_NAT
	mask := binary.NativeEndian.AppendUint32(nil, bit)
	return []expr.Any{
		&expr.Ct{Key: expr.CtKeySTATUS, Register: reg(0)},
		&expr.Bitwise{SourceRegister: reg(0), DestRegister: reg(0), Len: 4, Mask: mask, Xor: make([]byte, 4)},
		&expr.Cmp{Op: expr.CmpOpNeq, Register: reg(0), Data: make([]byte, 4)},
	}
}

// cameBy goes on if the connection was made to a port in the map.
func (h half) cameBy(m *nft.Set) []expr.Any {
	return []expr.Any{
		&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: reg(0)},
		&expr.Ct{Key: expr.CtKeyPROTODST, Register: reg(1)},
		&expr.Lookup{SourceRegister: reg(0), DestRegister: reg(8), IsDestRegSet: true, SetName: m.Name, SetID: m.ID},
	}
}

// cameByAddress is cameBy for ports of one address. It asks for the pod that the
// packet has come to: the address that was dialled has, as a part of a key, no
// length for the program nft, which fails when it lists the table.
func (h half) cameByAddress() []expr.Any {
	return append(h.load(h.destination, 0),
		&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: reg(h.words)},
		&expr.Ct{Key: expr.CtKeyPROTODST, Register: reg(h.words + 1)},
		&expr.Lookup{SourceRegister: reg(0), SetName: h.back.Name, SetID: h.back.ID})
}

func (h half) from(p netip.Prefix) []expr.Any { return h.within(h.source, p) }

func (h half) to(p netip.Prefix) []expr.Any { return h.within(h.destination, p) }

func (h half) within(offset uint32, p netip.Prefix) []expr.Any {
	length := int(4 * h.words)
	return append(h.load(offset, 0),
		&expr.Bitwise{SourceRegister: reg(0), DestRegister: reg(0), Len: 4 * h.words, Mask: net.CIDRMask(p.Bits(), 8*length), Xor: make([]byte, length)},
		&expr.Cmp{Op: expr.CmpOpEq, Register: reg(0), Data: p.Masked().Addr().AsSlice()})
}

// leavesPods goes on if the packet leaves by no bridge of a node: another node
// of the cluster on this machine may not be known yet.
func leavesPods() []expr.Any {
	return []expr.Any{
		&expr.Meta{Key: expr.MetaKeyOIFNAME, Register: 1},
		&expr.Cmp{Op: expr.CmpOpNeq, Register: 1, Data: []byte(bridgePrefix)},
	}
}

func (h half) outside() []expr.Any {
	return append(h.load(h.destination, 0), &expr.Lookup{SourceRegister: reg(0), SetName: setInside, SetID: h.inside.ID, Invert: true})
}

func masquerade() []expr.Any { return []expr.Any{&expr.Masq{FullyRandom: true}} }
