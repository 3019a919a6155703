package network

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	nft "github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"segno/agents/proxy/flows"
)

// The names in a node's tables, one for IPv4 and one for IPv6:
//
//	inside    the ranges of all pods of the cluster; who leaves them is masqueraded
//	ports     protocol and port of the node, any of its addresses → a pod
//	ports-on  the same for one address of the node
//	pods-on   whom those lead to: a pod, protocol and port of the node
//
// Chains in and out translate the destination of what comes to such a port,
// chain leave the source of pods.
const (
	setInside, setPorts, setPortsOn, setPodsOn = "inside", "ports", "ports-on", "pods-on"
	chainIn, chainOut, chainLeave              = "in", "out", "leave"
	tablePrefix                                = "segno-pods-"
	policyPrefix                               = "segno-policy-"
)

// tables are this node's own in nftables. Nothing else is touched.
type tables struct {
	name  string
	flows *flows.Kernel // that lead to host ports
}

func (b *Bridge) tables() tables { return tables{tablePrefix + b.cfg.Name, &b.flows} }

// PolicyTables is the name of the tables that hold this node's pods to
// NetworkPolicies (agents/policy). They are removed with the bridge.
func (b *Bridge) PolicyTables() string { return policyPrefix + b.cfg.Name }

// half is the table of one family.
type half struct {
	table               *nft.Table
	v6                  bool
	words               uint32 // of an address
	source, destination uint32 // offsets in the header
	inside, ports, on   *nft.Set
	back                *nft.Set // pods-on
}

func (t tables) half(v6 bool) half {
	h := half{table: &nft.Table{Name: t.name, Family: nft.TableFamilyIPv4}, words: 1, source: 12, destination: 16}
	address := nft.TypeIPAddr
	if v6 {
		h = half{table: &nft.Table{Name: t.name, Family: nft.TableFamilyIPv6}, v6: true, words: 4, source: 8, destination: 24}
		address = nft.TypeIP6Addr
	}
	concat := func(types ...nft.SetDatatype) nft.SetDatatype {
		is, err := nft.ConcatSetType(types...)
		if err != nil {
			panic(err) // constant arguments
		}
		return is
	}
	to := concat(address, nft.TypeInetService)
	h.inside = &nft.Set{Table: h.table, Name: setInside, KeyType: address, Interval: true, ID: 1}
	h.ports = &nft.Set{Table: h.table, Name: setPorts, KeyType: concat(nft.TypeInetProto, nft.TypeInetService), IsMap: true, DataType: to, ID: 2}
	h.on = &nft.Set{Table: h.table, Name: setPortsOn, KeyType: concat(address, nft.TypeInetProto, nft.TypeInetService), IsMap: true, DataType: to, ID: 3}
	h.back = &nft.Set{Table: h.table, Name: setPodsOn, KeyType: h.on.KeyType, ID: 4}
	return h
}

const (
	// atOnce elements fit the 64 KiB that one attribute may have.
	atOnce = 500
	// roomForMany is a buffer for a transaction with the ranges of very many nodes.
	roomForMany = 16 << 20
)

func connect() (*nft.Conn, error) {
	conn, err := nft.New(nft.WithSockOptions(func(c *netlink.Conn) error { return c.SetWriteBuffer(roomForMany) }))
	if err != nil {
		return nil, fmt.Errorf("open a socket to nftables (the kernel needs CONFIG_NF_TABLES, this process CAP_NET_ADMIN): %w", err)
	}
	return conn, nil
}

// declare makes the tables that are not there yet. What an earlier agent wrote
// goes on until it is known who the peers are.
func (t tables) declare(cidrs []netip.Prefix) error {
	conn, err := connect()
	if err != nil {
		return err
	}
	there, err := conn.ListTables()
	if err != nil {
		return fmt.Errorf("list the tables of nftables (the kernel needs CONFIG_NF_TABLES): %w", err)
	}
	for _, v6 := range []bool{false, true} {
		h := t.half(v6)
		is := slices.ContainsFunc(there, func(x *nft.Table) bool { return x.Name == t.name && x.Family == h.table.Family })
		if len(ofFamily(cidrs, v6)) == 0 {
			continue
		}
		if is { // perhaps by an earlier version
			if err := h.sets(conn); err != nil {
				return err
			}
			continue
		}
		if err := h.base(conn, ofFamily(cidrs, v6), nil, false); err != nil {
			return err
		}
	}
	if err := conn.Flush(); err != nil {
		return fmt.Errorf("make the tables %s: %w", t.name, err)
	}
	return nil
}

// masquerade writes the tables: pods of the CIDRs keep their address on the way
// to the ranges inside, and get the node's on the way out. One transaction, which
// established connections do not notice.
func (t tables) masquerade(cidrs, inside []netip.Prefix) error {
	conn, err := connect()
	if err != nil {
		return err
	}
	for _, v6 := range []bool{false, true} {
		h, own := t.half(v6), ofFamily(cidrs, v6)
		if len(own) == 0 {
			conn.AddTable(h.table)
			conn.DelTable(h.table)
			continue
		}
		if err := h.base(conn, own, ofFamily(inside, v6), true); err != nil {
			return err
		}
	}
	if err := conn.Flush(); err != nil {
		return fmt.Errorf("write the tables %s: %w", t.name, err)
	}
	return nil
}

// base writes a table but for its ports, with or without the rules for what
// leaves.
func (h half) base(conn *nft.Conn, own, inside []netip.Prefix, leave bool) error {
	conn.AddTable(h.table)
	if err := h.sets(conn); err != nil {
		return err
	}
	conn.FlushSet(h.inside)
	for some := range slices.Chunk(intervals(inside), atOnce) {
		if err := conn.SetAddElements(h.inside, some); err != nil {
			return fmt.Errorf("write set %s: %w", setInside, err)
		}
	}
	early := nft.ChainPriorityRef(*nft.ChainPriorityNATDest - 5)
	for _, c := range []*nft.Chain{
		{Name: chainIn, Type: nft.ChainTypeNAT, Hooknum: nft.ChainHookPrerouting, Priority: early},
		{Name: chainOut, Type: nft.ChainTypeNAT, Hooknum: nft.ChainHookOutput, Priority: early},
		{Name: chainLeave, Type: nft.ChainTypeNAT, Hooknum: nft.ChainHookPostrouting, Priority: nft.ChainPriorityNATSource},
	} {
		c.Table = h.table
		conn.AddChain(c)
		conn.FlushChain(c)
	}
	rule := func(chain string, of ...[]expr.Any) {
		conn.AddRule(&nft.Rule{Table: h.table, Chain: &nft.Chain{Name: chain, Table: h.table}, Exprs: slices.Concat(of...)})
	}
	for _, chain := range []string{chainIn, chainOut} {
		rule(chain, toThisNode(), h.load(h.destination, 0), port(h.words), h.find(h.on))
		rule(chain, toThisNode(), port(0), h.find(h.ports))
	}
	for _, cidr := range own {
		// A pod that comes to another one by a port of their node: the answer
		// would go past this table.
		rule(chainLeave, translated(), h.from(cidr), h.to(cidr), h.cameBy(h.ports), masquerade())
		rule(chainLeave, translated(), h.from(cidr), h.to(cidr), h.cameByAddress(), masquerade())
		if leave {
			rule(chainLeave, h.from(cidr), leavesPods(), h.outside(), masquerade())
		}
	}
	return nil
}

// sets are declared, there or not.
func (h half) sets(conn *nft.Conn) error {
	for _, s := range []*nft.Set{h.inside, h.ports, h.on, h.back} {
		if err := conn.AddSet(s, nil); err != nil {
			return fmt.Errorf("declare set %s: %w", s.Name, err)
		}
	}
	return nil
}

// remove deletes the tables, there or not.
func (t tables) remove() error {
	conn, err := connect()
	if err != nil {
		return err
	}
	for _, v6 := range []bool{false, true} {
		h := t.half(v6)
		conn.AddTable(h.table)
		conn.DelTable(h.table)
	}
	if err := conn.Flush(); err != nil && !errors.Is(err, unix.EOPNOTSUPP) && !errors.Is(err, unix.EPROTONOSUPPORT) {
		return fmt.Errorf("delete the tables %s: %w", t.name, err)
	}
	return nil
}

// intervals are the elements of ranges, neighbours made one.
func intervals(of []netip.Prefix) (out []nft.SetElement) {
	of = slices.Clone(of)
	slices.SortFunc(of, netip.Prefix.Compare)
	for _, p := range of {
		start, end := p.Masked().Addr().AsSlice(), after(p)
		if n := len(out); n > 0 {
			last := out[n-1].Key
			if !out[n-1].IntervalEnd || bytes.Compare(end, last) <= 0 && end != nil {
				continue // it is open to the end, or in the one before
			}
			if bytes.Compare(start, last) <= 0 {
				out, start = out[:n-1], nil
			}
		}
		if start != nil {
			out = append(out, nft.SetElement{Key: start})
		}
		if end != nil {
			out = append(out, nft.SetElement{Key: end, IntervalEnd: true})
		}
	}
	return out
}

// after is the first address behind a range; nil when there is none.
func after(p netip.Prefix) []byte {
	last := p.Masked().Addr().AsSlice()
	for bit := p.Bits(); bit < 8*len(last); bit++ {
		last[bit/8] |= 0x80 >> (bit % 8)
	}
	address, _ := netip.AddrFromSlice(last)
	if next := address.Next(); next.IsValid() {
		return next.AsSlice()
	}
	return nil
}

func ofFamily(all []netip.Prefix, v6 bool) (out []netip.Prefix) {
	for _, p := range all {
		if p.Addr().Is6() == v6 {
			out = append(out, p)
		}
	}
	return out
}
