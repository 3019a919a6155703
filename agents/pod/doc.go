// Package pod runs the pods of one node, one small step after another.
//
// What comes in: pods as the control plane wants them, and hints that
// something changed at the engine. What goes out: effects on a
// runtime.Runtime and a Network, and statuses of pods.
//
// What never happens here: a choice of node, a call to the control plane, a
// repeated effect without a reason. Next decides from values alone; only the
// Keeper has effects, one a step.
//
// Start with next.go, the whole life of a pod as a decision; state.go is what
// it decides on, action.go what it answers, status.go what is told of it, and
// keeper.go what drives all of it.
package pod
