// Package nodelife notices nodes that have fallen silent, and takes their pods
// away when they stay so.
//
// What comes in: nodes, their leases (heartbeats), and the pods on them. What
// goes out: conditions and taints of nodes, the readiness of pods on a silent
// node, and evictions: of pods that do not tolerate a taint, or not any longer,
// and of pods whose node is gone.
//
// What never happens here: a guess about a node whose lease is not known yet. It
// counts as heard when the controller started, and again when it was made.
//
// Start with reconciler.go; heard.go says when a node was last heard, silence.go
// what follows from silence and from its end, taints.go and eviction.go what
// follows from taints, held.go when that waits, departed.go what becomes of pods without a node.
package nodelife
