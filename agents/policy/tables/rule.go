package tables

import (
	"encoding/binary"
	"fmt"

	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"segno/agents/policy"
)

// reg is the n-th register of four bytes.
func reg(n uint32) uint32 { return unix.NFT_REG32_00 + n }

// text says what a rule is, to people and to who compares.
func text(r policy.Rule) string { return fmt.Sprintf("%+v", r) }

// conditions of a rule of a chain, with what becomes of who meets them.
func (f *family) conditions(d policy.Direction, r policy.Rule) (out []expr.Any) {
	peer := f.source
	if d == policy.Egress {
		peer = f.destination
	}
	for _, set := range []string{r.Peers, r.Blocks} {
		if set != "" {
			out = append(append(out, f.load(peer, 0)...), in(set)...)
		}
	}
	if r.Named != "" {
		out = append(append(append(out, f.load(f.destination, 0)...), protocolAndPort(f.words)...), in(r.Named)...)
	}
	if r.Protocol != 0 {
		out = append(out, protocolIs(r.Protocol)...)
	}
	if r.Protocol != 0 && r.To != 0 {
		out = append(out, &expr.Payload{DestRegister: reg(0), Base: expr.PayloadBaseTransportHeader, Offset: 2, Len: 2},
			&expr.Range{Op: expr.CmpOpEq, Register: reg(0), FromData: portBytes(r.From), ToData: portBytes(r.To)})
	}
	if r.Jump != "" {
		return append(out, &expr.Verdict{Kind: expr.VerdictJump, Chain: r.Jump})
	}
	return append(out, accept()...)
}

// of says whether a rule can ever match in this family, whose sets may be empty.
func (f *family) of(p *policy.Plan, r policy.Rule) bool {
	return r.Blocks == "" || len(f.intervals(p.Blocks[r.Blocks])) > 0
}

func (f *family) load(offset, at uint32) []expr.Any {
	return []expr.Any{&expr.Payload{DestRegister: reg(at), Base: expr.PayloadBaseNetworkHeader, Offset: offset, Len: 4 * f.words}}
}

func protocolAndPort(at uint32) []expr.Any {
	return []expr.Any{
		&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: reg(at)},
		&expr.Payload{DestRegister: reg(at + 1), Base: expr.PayloadBaseTransportHeader, Offset: 2, Len: 2},
	}
}

func protocolIs(p uint8) []expr.Any {
	return []expr.Any{
		&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: reg(0)},
		&expr.Cmp{Op: expr.CmpOpEq, Register: reg(0), Data: []byte{p}},
	}
}

// in goes on if a set has the key that is loaded.
func in(set string) []expr.Any {
	return []expr.Any{&expr.Lookup{SourceRegister: reg(0), SetName: set}}
}

func accept() []expr.Any { return []expr.Any{&expr.Verdict{Kind: expr.VerdictAccept}} }

func drop() []expr.Any { return []expr.Any{&expr.Verdict{Kind: expr.VerdictDrop}} }

// answers are packets of connections that were allowed, and what belongs to them.
func answers() []expr.Any {
	return []expr.Any{
		&expr.Ct{Key: expr.CtKeySTATE, Register: reg(0)},
		&expr.Bitwise{
			SourceRegister: reg(0), DestRegister: reg(0), Len: 4, Xor: make([]byte, 4),
			Mask: binary.NativeEndian.AppendUint32(nil, expr.CtStateBitESTABLISHED|expr.CtStateBitRELATED),
		},
		&expr.Cmp{Op: expr.CmpOpNeq, Register: reg(0), Data: make([]byte, 4)},
	}
}

func fromThisNode() []expr.Any {
	return []expr.Any{
		&expr.Fib{Register: reg(0), ResultADDRTYPE: true, FlagSADDR: true},
		&expr.Cmp{Op: expr.CmpOpEq, Register: reg(0), Data: binary.NativeEndian.AppendUint32(nil, unix.RTN_LOCAL)},
	}
}

// neighbours ask each other for their links' addresses, without which no packet
// of IPv6 goes anywhere: ICMPv6 133 to 137.
func neighbours() []expr.Any {
	return append(protocolIs(unix.IPPROTO_ICMPV6),
		&expr.Payload{DestRegister: reg(0), Base: expr.PayloadBaseTransportHeader, Offset: 0, Len: 1},
		&expr.Range{Op: expr.CmpOpEq, Register: reg(0), FromData: []byte{133}, ToData: []byte{137}})
}
