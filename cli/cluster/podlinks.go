package cluster

import (
	"fmt"
	"net/netip"

	"segno/agents/network"
	"segno/agents/proxy/ipvs"
)

// PodLinks says how pods of one node and another reach each other. Backend and
// Port are to be the same on all nodes.
type PodLinks struct {
	// Address is the node's own; the zero one picks this machine's first.
	Address netip.Addr
	// Backend is how packets get from node to node; empty is VXLAN.
	Backend network.Backend
	// Port is VXLAN's, of UDP; 0 is its usual one.
	Port int
}

// NodeAddress is the one given, or this machine's first.
func (p PodLinks) NodeAddress() netip.Addr {
	if p.Address.IsValid() {
		return p.Address
	}
	if first, found := network.OwnAddress(ipvs.DefaultLink); found {
		return first
	}
	return netip.AddrFrom4([4]byte{127, 0, 0, 1})
}

// check finds a node address that this machine does not have. Where that cannot be
// read, nothing is said.
func (p PodLinks) check() error {
	if !p.Address.IsValid() || p.Address.IsLoopback() {
		return nil
	}
	if _, found, err := network.Underlay(p.Address); err == nil && !found {
		return fmt.Errorf("--node-ip %s: no interface has it; give one of this machine's own addresses (ip address)", p.Address)
	}
	return nil
}
