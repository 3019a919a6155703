// Package announce tells the neighbours of a node at which hardware address the
// load balancer addresses are that the node announces.
//
// What comes in: the catalog of what all nodes know, the links of this machine,
// and frames of ARP and of IPv6 neighbour discovery. What goes out: answers and
// announcements on the links whose network has the address.
//
// What never happens here: a choice of an address (reconcilers/loadbalancer), a
// change of where traffic goes afterwards (agents/proxy), an answer for an address
// that this node does not announce, or for one that nobody gave a Service, or that
// a gateway or a machine outside of the cluster has.
//
// Every node decides by itself, and alike, who announces an address: choose.go.
// What a node owes an address is in duty.go, and how it finds out before whether
// the address is free in trial.go, which know neither clock nor wire;
// announce.go runs it, look.go finds out what is to be announced, on ports (port.go)
// that speak arp.go and ndp.go.
package announce
