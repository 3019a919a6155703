package nftables

import (
	"net"
	"net/netip"

	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// reg is the n-th register of four bytes.
func reg(n uint32) uint32 { return registers + n }

// dial loads address, protocol and port of the destination.
func (l *layout) dial(at uint32) []expr.Any {
	return append(l.load(l.destination, at),
		&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: reg(at + l.words)},
		&expr.Payload{DestRegister: reg(at + l.words + 1), Base: expr.PayloadBaseTransportHeader, Offset: 2, Len: 2})
}

// load loads an address of the header.
func (l *layout) load(offset, at uint32) []expr.Any {
	return []expr.Any{&expr.Payload{DestRegister: reg(at), Base: expr.PayloadBaseNetworkHeader, Offset: offset, Len: 4 * l.words}}
}

// lookup goes on with the value in a map, if there is one.
func (l *layout) lookup(set string, key, value uint32) expr.Any {
	return &expr.Lookup{SourceRegister: reg(key), DestRegister: reg(value), IsDestRegSet: true, SetName: set, SetID: l.sets[set].ID}
}

// verdict does what a verdict map says, if anything.
func (l *layout) verdict(set string, key uint32) expr.Any {
	return &expr.Lookup{SourceRegister: reg(key), DestRegister: unix.NFT_REG_VERDICT, IsDestRegSet: true, SetName: set, SetID: l.sets[set].ID}
}

// in goes on if a set has the key.
func (l *layout) in(set string, key uint32) expr.Any {
	return &expr.Lookup{SourceRegister: reg(key), SetName: set, SetID: l.sets[set].ID}
}

// from goes on if the client is in the range; a range of the other family is
// nobody's.
func (l *layout) from(p netip.Prefix) []expr.Any { return l.within(l.source, p) }

// to goes on if the destination is in the range.
func (l *layout) to(p netip.Prefix) []expr.Any { return l.within(l.destination, p) }

func (l *layout) within(offset uint32, p netip.Prefix) []expr.Any {
	bytes := int(4 * l.words)
	return append(l.load(offset, 0),
		&expr.Bitwise{SourceRegister: reg(0), DestRegister: reg(0), Len: 4 * l.words, Mask: net.CIDRMask(p.Bits(), 8*bytes), Xor: make([]byte, bytes)},
		equal(0, p.Masked().Addr().AsSlice()))
}

// send translates the destination to address and port in the registers.
func (l *layout) send(at uint32) []expr.Any {
	return []expr.Any{&expr.NAT{
		Type: expr.NATTypeDestNAT, Family: uint32(l.table.Family), RegAddrMin: reg(at), RegProtoMin: reg(at + l.words), Specified: true,
	}}
}

// translated goes on if the connection's destination was changed.
func translated() []expr.Any {
	return []expr.Any{
		&expr.Ct{Key: expr.CtKeySTATUS, Register: reg(0)}, and(0, word(ctDNAT)),
		&expr.Cmp{Op: expr.CmpOpNeq, Register: reg(0), Data: word(0)},
	}
}

// setMark changes bits of the packet's mark.
func setMark(mask, flip uint32) []expr.Any {
	return []expr.Any{
		&expr.Meta{Key: expr.MetaKeyMARK, Register: reg(0)},
		&expr.Bitwise{SourceRegister: reg(0), DestRegister: reg(0), Len: 4, Mask: word(mask), Xor: word(flip)},
		&expr.Meta{Key: expr.MetaKeyMARK, Register: reg(0), SourceRegister: true},
	}
}

func and(at uint32, mask []byte) expr.Any {
	return &expr.Bitwise{SourceRegister: reg(at), DestRegister: reg(at), Len: uint32(len(mask)), Mask: mask, Xor: make([]byte, len(mask))}
}

func equal(at uint32, to []byte) expr.Any {
	return &expr.Cmp{Op: expr.CmpOpEq, Register: reg(at), Data: to}
}

func gotoChain(name string) []expr.Any {
	return []expr.Any{&expr.Verdict{Kind: expr.VerdictGoto, Chain: name}}
}

func constant(at uint32, data []byte) expr.Any {
	return &expr.Immediate{Register: reg(at), Data: data}
}
