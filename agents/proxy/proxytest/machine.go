package proxytest

import (
	"errors"
	"fmt"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"segno/agents/proxy"
)

// The network of every test:
//
//	client 192.0.2.10, .11 ─┐
//	far 192.0.2.20 ─────────┼─ wire ─ eth0 192.0.2.1 node 10.244.1.1 pods0 ─┬─ pod a 10.244.1.2
//	   with pods 10.244.2.2,│                                               ├─ pod b 10.244.1.3
//	   .3                   │                                               └─ pod c 10.244.1.4
//
// and the same with IPv6. The far node answers clients directly, so that what is
// not masqueraded on the way there is lost on the way back.
const (
	nodeIP, nodeIP6     = "192.0.2.1", "2001:db8:1::1"
	clientIP, clientIP6 = "192.0.2.10", "2001:db8:1::10"
	otherIP             = "192.0.2.11"
	farIP, farIP6       = "192.0.2.20", "2001:db8:1::20"

	nodeName, farName = "node", "far"
)

// machine is the node with all that is around it.
type machine struct {
	node, client, far *space
	pods              map[string]*pod
}

// pod is where backends run.
type pod struct {
	*space
	name    string
	ip, ip6 string
	node    string
	servers map[string]*tcpServer // by address
}

// newMachine builds the network; it goes with the test.
func newMachine(t testing.TB) *machine {
	t.Helper()
	m := &machine{node: nodeSpace(t), client: newSpace(t), far: newSpace(t), pods: map[string]*pod{}}
	wire := newSpace(t)
	wire.bridge("wire")
	for name, there := range map[string]*space{"n": m.node, "c": m.client, "f": m.far} {
		wire.cable("wire", name, there, "eth0")
	}
	t.Cleanup(m.tidy)
	m.node.set("ipv4/ip_forward", "1")
	m.node.set("ipv6/conf/all/forwarding", "1")
	m.node.address("eth0", nodeIP+"/24", nodeIP6+"/64")
	m.node.route("eth0", "10.244.2.0/24", farIP)
	m.node.route("eth0", "fd00:244:2::/64", farIP6)
	// A node has a default route, also if nobody is there.
	m.node.route("eth0", "0.0.0.0/0", "192.0.2.254")
	m.node.route("eth0", "::/0", "2001:db8:1::fe")
	m.client.address("eth0", clientIP+"/24", otherIP+"/24", clientIP6+"/64")
	m.client.route("eth0", "0.0.0.0/0", nodeIP)
	m.client.route("eth0", "::/0", nodeIP6)
	m.far.address("eth0", farIP+"/24", farIP6+"/64")
	m.far.route("eth0", "10.244.1.0/24", nodeIP)
	m.far.route("eth0", "fd00:244:1::/64", nodeIP6)

	m.node.bridge("pods0")
	m.node.address("pods0", "10.244.1.1/24", "fd00:244:1::1/64")
	for i, name := range []string{"a", "b", "c"} {
		p := &pod{space: newSpace(t), name: name, ip: fmt.Sprintf("10.244.1.%d", i+2), ip6: fmt.Sprintf("fd00:244:1::%d", i+2), node: nodeName}
		m.node.cable("pods0", "pod-"+name, p.space, "eth0")
		// A pod may come back to itself by a Service.
		m.node.must(m.node.links.LinkSetHairpin(m.node.link("pod-"+name), true))
		p.address("eth0", p.ip+"/24", p.ip6+"/64")
		p.route("eth0", "0.0.0.0/0", "10.244.1.1")
		p.route("eth0", "::/0", "fd00:244:1::1")
		m.pods[name] = p
	}
	for i, name := range []string{"x", "y"} {
		p := &pod{space: m.far, name: name, ip: fmt.Sprintf("10.244.2.%d", i+2), ip6: fmt.Sprintf("fd00:244:2::%d", i+2), node: farName}
		m.far.address("lo", p.ip+"/32", p.ip6+"/128")
		m.pods[name] = p
	}
	for _, p := range m.pods {
		p.serve(t)
	}
	m.ready(t)
	return m
}

// ready waits until neighbours know each other: links that were just made lose
// packets.
func (m *machine) ready(t testing.TB) {
	t.Helper()
	reach := func(from *space, to string) {
		t.Helper()
		for end := time.Now().Add(4 * patience); ; {
			c, err := from.dial("", to, patience)
			if err == nil {
				_ = c.Close()
				return
			}
			if errors.Is(err, syscall.ECONNREFUSED) { // there is somebody
				return
			}
			if time.Now().After(end) {
				t.Fatalf("the network of the test does not work: %v", err)
			}
		}
	}
	reach(m.client, at(farIP, 1))
	reach(m.client, at(farIP6, 1))
	for _, from := range []*space{m.client, m.far} {
		reach(from, at(nodeIP, 1))
		reach(from, at(nodeIP6, 1))
	}
	for _, p := range m.pods {
		reach(m.node, at(p.ip, tcpPort))
		reach(m.node, at(p.ip6, tcpPort))
	}
}

// tidy leaves the node's namespace as it was.
func (m *machine) tidy() {
	for _, name := range []string{"pod-a", "pod-b", "pod-c", "pods0", "eth0"} {
		if link, err := m.node.links.LinkByName(name); err == nil {
			_ = m.node.links.LinkDel(link)
		}
	}
	_ = netlink.ConntrackTableFlush(netlink.ConntrackTable)
}

// as is the node, as plans see it.
func (m *machine) as() proxy.Node {
	return proxy.Node{
		Name: nodeName, Zone: "here", Addresses: []netip.Addr{netip.MustParseAddr(nodeIP), netip.MustParseAddr(nodeIP6)},
		Pods: []netip.Prefix{netip.MustParsePrefix("10.244.1.0/24"), netip.MustParsePrefix("fd00:244:1::/64")},
	}
}
