// Package services serves the cluster's Services and names on one node.
//
// What comes in: the catalog of what all nodes know, what this node is, and how
// people want it done. What goes out: a service proxy with the data plane that
// this machine is able to have, a DNS server at the cluster's address, answers to
// neighbours that look for load balancer addresses, and word of which plane it is
// and why.
//
// What never happens here: a decision where a packet goes (agents/proxy), an
// answer to a question (agents/dns, agents/announce). Of several nodes in one
// network namespace only one serves: there is one set of rules, and one address for
// DNS. The others wait until it ends.
//
// Start with services.go; mode.go chooses the plane, claim.go sees to it that
// there is one.
package services
