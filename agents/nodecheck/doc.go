// Package nodecheck says before a node joins what would keep its pods from
// reaching those of other nodes.
//
// What comes in: how the node is to be linked. What goes out: findings in plain
// words, each with what to do. What never happens here: a change to the machine;
// what the kernel can do is tried in a network namespace that goes again.
//
// Start with check.go; kernel.go tries the kernel, firewall.go reads the rules of
// others.
package nodecheck
