// Package scheduler chooses a node for every pod that has none.
//
// What comes in: all pods and all nodes, one list of each a pass. What goes out:
// bindings, many in one transaction, and for a pod that fits nowhere a condition
// and a note that say why, in the words of Kubernetes' scheduler.
//
// What never happens here: a cache from one pass to the next, a pod moved or
// evicted, or a look at a pod that names another scheduler.
//
// Start with reconciler.go; a pass is in pass.go. Pods that ask for the same form
// a class (class.go), which meets each node (node.go) once: filter.go says where
// it may go, score.go where it goes best, demand.go what it takes. answer.go makes
// commands of what was decided.
package scheduler
