// Package network gives the pods of one node their addresses and their
// connection to each other, to other nodes' pods, and to the world.
//
// What comes in: the node's pod CIDRs, the process that holds a sandbox's
// namespaces, the ports of the node that lead to it, and who the other nodes
// are. What goes out: addresses, and links, routes, neighbours and a table of
// nftables in the kernel.
//
// What never happens here: a container, a rule for a Service, a name lookup, a
// change to what others made. The kernel is the memory: a restarted agent finds
// its links by their names, its routes by their mark, and the addresses with the
// sandboxes.
//
// Start with pool.go, the addresses; bridge.go cables pods to a bridge,
// which bridgelink.go makes; simulated.go and hostonly.go stand in where there is
// nothing to cable.
// peers.go plans the way to other nodes, routes.go and tunnel.go make it;
// tables.go masquerades, with the rules of expression.go, hostport.go publishes; holder.go says what a machine's
// networks are used for already, answer.go makes addresses the node's own, gateway.go says
// which are others'.
package network
