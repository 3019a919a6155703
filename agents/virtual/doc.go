// Package virtual is a node without a machine, on a clock that somebody else
// moves on: for sandboxes, where hours pass in milliseconds.
//
// What comes in: the Node object as it was, the pods that were on it with their
// statuses, and what is wanted of them from now on. What goes out: reports and
// notes, as the agent of a real node sends them: the pods are kept by package pod
// itself, on the simulated engine.
//
// What never happens here: a goroutine, a reading of the machine's clock, or a
// random draw: the same input gives the same reports in the same order.
//
// What a real cluster knows and a simulated one cannot is learned from how its
// pods were (fate.go): an image that could not be pulled cannot be pulled here, a
// program that crashed crashes here, after the same time and with the same exit
// code, one whose probes failed for long fails them here. All other programs run
// for ever and are ready at once.
//
// Start with node.go; adopt.go is how a pod comes to run that ran already.
package virtual
