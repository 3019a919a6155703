// Package replicaset keeps the number of pods that a ReplicaSet asks for.
//
// What comes in: a ReplicaSet, the pods that it owns, and orphans that it
// selects. What goes out: pods to create and to delete (many in one
// transaction), owner references to add and to take off, and the status.
//
// What never happens here: a choice of node, a change of a running pod's spec,
// or the deletion of a pod that another controller owns.
//
// Start with reconciler.go; create.go and surplus.go are its two directions,
// status.go says what it reports.
package replicaset
