package nodecheck

import (
	"fmt"
	"net"
	"net/netip"
	"runtime"

	nft "github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"segno/agents/network"
	"segno/agents/policy"
	"segno/agents/policy/tables"
)

// kernel makes one of each in a namespace of its own, which the kernel loads its
// modules for.
func (cfg Config) kernel() []Finding {
	answers := make(chan []Finding, 1)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread goes, and the namespace with it
		answers <- cfg.try()
	}()
	return <-answers
}

func (cfg Config) try() (out []Finding) {
	space, err := netns.New()
	if err != nil {
		return []Finding{{"kernel", Failed, fmt.Sprintf("make a network namespace: %v", err), "a kernel with CONFIG_NET_NS is needed, and CAP_SYS_ADMIN"}}
	}
	defer func() { _ = space.Close() }()
	link := func(kind, option string, made netlink.Link) {
		f := Finding{"kernel: " + kind, OK, "works", ""}
		if err := netlink.LinkAdd(made); err != nil {
			f = Finding{f.Check, Failed, fmt.Sprintf("an interface of this kind cannot be made: %v", err), fmt.Sprintf("modprobe %s; if there is no such module: a kernel with %s", kind, option)}
		}
		out = append(out, f)
	}
	named := func(name string) netlink.LinkAttrs {
		at := netlink.NewLinkAttrs()
		at.Name = name
		return at
	}
	link("bridge", "CONFIG_BRIDGE", &netlink.Bridge{LinkAttrs: named("b")})
	link("veth", "CONFIG_VETH", &netlink.Veth{LinkAttrs: named("v"), PeerName: "w"})
	if cfg.Backend == network.VXLAN {
		made := &netlink.Vxlan{LinkAttrs: named("x"), VxlanId: 1, Port: cfg.Port}
		if cfg.Address.Is6() {
			made.SrcAddr = net.IPv6loopback
		}
		link("vxlan", "CONFIG_VXLAN", made)
	}
	f := Finding{"kernel: nftables", OK, "works", ""}
	if err := tryTable(); err != nil {
		f = Finding{f.Check, Failed, fmt.Sprintf("a rule that masquerades cannot be made: %v", err), "modprobe nf_tables nft_chain_nat nft_masq nft_fib_inet; if there is no such module: a kernel with CONFIG_NF_TABLES, CONFIG_NFT_MASQ and CONFIG_NFT_FIB_IPV4"}
	}
	return append(out, f, tryPolicies())
}

// tryPolicies isolates a pod that is not there. Without this the node works, and
// says in its condition that NetworkPolicies are not in force.
func tryPolicies() Finding {
	const check = "kernel: network policies"
	is, err := tables.Open("try-policies")
	if err == nil {
		defer func() { _ = is.Close() }()
		plan := policy.NewPlanner().Plan()
		plan.Chains["nobody"] = policy.Chain{Closed: true}
		plan.Isolated[policy.Ingress][netip.IPv4Unspecified()] = "nobody"
		plan.Blocks["some"] = []policy.Range{{From: netip.IPv6Unspecified(), To: netip.IPv6LinkLocalAllNodes()}}
		err = is.Sync(plan)
	}
	if err != nil {
		return Finding{check, Warning, fmt.Sprintf("they would not be in force: %v", err), "modprobe nf_tables nft_ct nft_fib_inet; if there is no such module: a kernel with CONFIG_NF_TABLES, CONFIG_NFT_CT, CONFIG_NFT_FIB_IPV4 and CONFIG_NFT_FIB_IPV6"}
	}
	if err := network.CanFilterBridged(); err != nil {
		return Finding{check, Warning, "they would not hold between pods of this node: " + err.Error(), "modprobe br_netfilter; if there is no such module: a kernel with CONFIG_BRIDGE_NETFILTER"}
	}
	return Finding{check, OK, "works", ""}
}

func tryTable() error {
	conn, err := nft.New()
	if err != nil {
		return err
	}
	table := conn.AddTable(&nft.Table{Name: "try", Family: nft.TableFamilyIPv4})
	in := conn.AddChain(&nft.Chain{Name: "in", Table: table, Type: nft.ChainTypeNAT, Hooknum: nft.ChainHookPrerouting, Priority: nft.ChainPriorityNATDest})
	out := conn.AddChain(&nft.Chain{Name: "out", Table: table, Type: nft.ChainTypeNAT, Hooknum: nft.ChainHookPostrouting, Priority: nft.ChainPriorityNATSource})
	conn.AddRule(&nft.Rule{Table: table, Chain: in, Exprs: []expr.Any{
		&expr.Fib{Register: unix.NFT_REG32_00, ResultADDRTYPE: true, FlagDADDR: true},
		&expr.Ct{Key: expr.CtKeySTATUS, Register: unix.NFT_REG32_00},
	}})
	conn.AddRule(&nft.Rule{Table: table, Chain: out, Exprs: []expr.Any{&expr.Masq{FullyRandom: true}}})
	return conn.Flush()
}
