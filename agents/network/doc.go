// Package network gives the pods of one node their addresses and their
// connection.
//
// What comes in: the node's pod CIDR, and the process that holds a sandbox's
// namespaces. What goes out: addresses, and links in the kernel.
//
// What never happens here: a container, a route to another node, a rule for a
// Service, a name lookup. The kernel is the memory: a restarted agent finds
// its links by their names, and the addresses with the sandboxes.
//
// Start with pool.go, the addresses; bridge.go cables pods to a bridge,
// simulated.go and hostonly.go stand in where there is nothing to cable;
// holder.go says what a machine's networks are used for already.
package network
