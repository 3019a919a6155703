package nodecheck

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"

	nft "github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/google/nftables/xt"
	"golang.org/x/sys/unix"

	"segno/agents/network"
)

// firewall looks for rules of others that are sure to drop packets of pods. What
// cannot be told from the rules alone is not complained of.
func (cfg Config) firewall() (out []Finding) {
	link, found, err := network.Underlay(cfg.Address)
	if err != nil || !found {
		return nil // said of the address
	}
	if cfg.Backend == network.VXLAN {
		check := fmt.Sprintf("firewall: UDP port %d", cfg.Port)
		out = append(out, verdictOn(check, packet{hook: nft.ChainHookInput, in: link.Attrs().Name, protocol: unix.IPPROTO_UDP, port: uint16(cfg.Port)},
			remedy{"let it in from the other nodes, as with", fmt.Sprintf("iptables -I INPUT -p udp --dport %d -j ACCEPT", cfg.Port), []string{fmt.Sprintf("udp dport %d accept", cfg.Port)}}))
	}
	return append(out, verdictOn("firewall: forwarding", packet{hook: nft.ChainHookForward, in: "sgx-check", out: "sg-check"},
		remedy{"let packets of pods through", "iptables -I FORWARD -i sg+ -j ACCEPT; iptables -I FORWARD -o sg+ -j ACCEPT (Docker makes this policy unless it runs with --iptables=false)",
			[]string{`iifname "sg*" accept`, `oifname "sg*" accept`}}))
}

// remedy is what a person is to do about a chain: by iptables where that made it,
// else by rules of nft before the chain's own.
type remedy struct {
	what, iptables string
	rules          []string
}

func (r remedy) against(c *nft.Chain) string {
	if c.Table.Name == "filter" && c.Table.Family == nft.TableFamilyIPv4 && (c.Name == "INPUT" || c.Name == "FORWARD") {
		return r.what + ": " + r.iptables
	}
	family := "ip"
	if c.Table.Family == nft.TableFamilyINet {
		family = "inet"
	}
	var lines []string
	for _, rule := range r.rules {
		lines = append(lines, fmt.Sprintf("nft 'insert rule %s %s %s %s'", family, c.Table.Name, c.Name, rule))
	}
	return r.what + ": " + strings.Join(lines, "; ") + " (and wherever the table is written down, such as /etc/nftables.conf)"
}

func verdictOn(check string, p packet, do remedy) Finding {
	conn, err := nft.New()
	if err != nil {
		return Finding{check, Warning, fmt.Sprintf("the rules cannot be read: %v", err), ""}
	}
	chains, err := conn.ListChains()
	if err != nil {
		return Finding{check, Warning, fmt.Sprintf("the rules cannot be read: %v", err), ""}
	}
	r := reader{conn: conn, chains: chains, packet: p}
	for _, c := range chains {
		if c.Hooknum == nil || *c.Hooknum != *p.hook || c.Type != nft.ChainTypeFilter || c.Table.Family == nft.TableFamilyBridge || c.Table.Family == nft.TableFamilyIPv6 {
			continue
		}
		v := r.walk(c, 0)
		if v == passes && c.Policy != nil && *c.Policy == nft.ChainPolicyDrop {
			v = drops
		}
		if v == drops {
			return Finding{check, Failed, fmt.Sprintf("chain %s of the table %s drops it", c.Name, c.Table.Name), do.against(c)}
		}
	}
	return Finding{check, OK, "no rule is sure to drop it", ""}
}

// packet is what would come; of what is not said nothing is known.
type packet struct {
	hook     *nft.ChainHook
	in, out  string // interfaces
	protocol byte
	port     uint16 // of the destination
}

// verdict is what a chain does with a packet.
type verdict int

const (
	passes  verdict = iota // says nothing
	accepts                // or may do so
	drops                  // for sure
)

const deepest = 16 // jumps, as in the kernel

// reader follows a packet through chains.
type reader struct {
	conn   *nft.Conn
	chains []*nft.Chain
	packet packet
}

func (r reader) walk(c *nft.Chain, depth int) verdict {
	rules, err := r.conn.GetRules(c.Table, c)
	if err != nil || depth > deepest {
		return accepts
	}
	for _, rule := range rules {
		if v, done := r.apply(rule, depth); done {
			return v
		}
	}
	return passes
}

// apply says what a rule does; done when the chain ends with it.
func (r reader) apply(rule *nft.Rule, depth int) (v verdict, done bool) {
	m := matcher{packet: r.packet, known: map[uint32][]byte{}}
	for _, e := range rule.Exprs {
		switch e := e.(type) {
		case *expr.Verdict:
			return r.follow(e, rule, m.unsure, depth)
		case *expr.Reject:
			return drops, !m.unsure
		case *expr.Target:
			if e.Name == "REJECT" || e.Name == "DROP" {
				return drops, !m.unsure
			}
		default:
			if !m.matches(e) {
				return passes, false
			}
		}
	}
	return passes, false
}

func (r reader) follow(e *expr.Verdict, rule *nft.Rule, unsure bool, depth int) (verdict, bool) {
	switch e.Kind {
	case expr.VerdictAccept:
		return accepts, true
	case expr.VerdictDrop:
		return drops, !unsure
	case expr.VerdictReturn:
		if unsure {
			return accepts, true // who knows
		}
		return passes, true
	case expr.VerdictJump, expr.VerdictGoto:
		for _, c := range r.chains {
			if c.Name != e.Chain || c.Table.Name != rule.Table.Name || c.Table.Family != rule.Table.Family {
				continue
			}
			v := r.walk(c, depth+1)
			switch {
			case v == accepts:
				return accepts, true
			case v == drops:
				return drops, !unsure
			case e.Kind == expr.VerdictGoto && !unsure:
				return passes, true
			}
		}
		return passes, false
	default:
		return passes, false
	}
}

// matcher goes through the conditions of a rule.
type matcher struct {
	packet packet
	known  map[uint32][]byte // what is in registers
	unsure bool              // a condition may hold or not
}

// matches is false when the packet is none of the rule's for sure.
func (m *matcher) matches(e expr.Any) bool {
	switch e := e.(type) {
	case *expr.Meta:
		m.meta(e)
	case *expr.Payload:
		m.payload(e)
	case *expr.Ct:
		if delete(m.known, e.Register); e.Key == expr.CtKeySTATE {
			m.known[e.Register] = binary.NativeEndian.AppendUint32(nil, 1<<3) // a new one
		}
	case *expr.Bitwise:
		value, known := m.known[e.SourceRegister]
		if delete(m.known, e.DestRegister); known && len(value) == len(e.Mask) && len(e.Xor) == len(e.Mask) {
			out := make([]byte, len(value))
			for i := range out {
				out[i] = value[i]&e.Mask[i] ^ e.Xor[i]
			}
			m.known[e.DestRegister] = out
		}
	case *expr.Cmp:
		return m.compare(e)
	case *expr.Range:
		value, known := m.known[e.Register]
		if !known || len(value) != len(e.FromData) || len(value) != len(e.ToData) {
			m.unsure = true
			return true
		}
		in := bytes.Compare(value, e.FromData) >= 0 && bytes.Compare(value, e.ToData) <= 0
		return in == (e.Op == expr.CmpOpEq)
	case *expr.Match:
		return m.xtables(e)
	case *expr.Counter, *expr.Log, *expr.Immediate:
	default:
		m.unsure = true
	}
	return true
}

func (m *matcher) meta(e *expr.Meta) {
	delete(m.known, e.Register)
	switch {
	case e.Key == expr.MetaKeyL4PROTO && m.packet.protocol != 0:
		m.known[e.Register] = []byte{m.packet.protocol}
	case e.Key == expr.MetaKeyIIFNAME && m.packet.in != "":
		m.known[e.Register] = append([]byte(m.packet.in), make([]byte, 16-len(m.packet.in))...)
	case e.Key == expr.MetaKeyOIFNAME && m.packet.out != "":
		m.known[e.Register] = append([]byte(m.packet.out), make([]byte, 16-len(m.packet.out))...)
	}
}

func (m *matcher) payload(e *expr.Payload) {
	delete(m.known, e.DestRegister)
	switch {
	case m.packet.protocol == 0:
	case e.Base == expr.PayloadBaseTransportHeader && e.Offset == 2 && e.Len == 2:
		m.known[e.DestRegister] = binary.BigEndian.AppendUint16(nil, m.packet.port)
	case e.Base == expr.PayloadBaseNetworkHeader && e.Offset == 9 && e.Len == 1:
		m.known[e.DestRegister] = []byte{m.packet.protocol}
	}
}

func (m *matcher) compare(e *expr.Cmp) bool {
	value, known := m.known[e.Register]
	if !known || len(e.Data) > len(value) {
		m.unsure = true
		return true
	}
	order := bytes.Compare(value[:len(e.Data)], e.Data) // an interface's name may be its beginning
	switch e.Op {
	case expr.CmpOpEq:
		return order == 0
	case expr.CmpOpNeq:
		return order != 0
	case expr.CmpOpLt:
		return order < 0
	case expr.CmpOpLte:
		return order <= 0
	case expr.CmpOpGt:
		return order > 0
	case expr.CmpOpGte:
		return order >= 0
	}
	return true
}

// xtables are the conditions that iptables writes.
func (m *matcher) xtables(e *expr.Match) bool {
	ports, is := e.Info.(*xt.Udp)
	if !is || m.packet.protocol != unix.IPPROTO_UDP {
		m.unsure = m.unsure || e.Name != "comment"
		return true
	}
	if ports.InvFlags != 0 || ports.SrcPorts != [2]uint16{0, 65535} {
		m.unsure = true
		return true
	}
	return ports.DstPorts[0] <= m.packet.port && m.packet.port <= ports.DstPorts[1]
}
