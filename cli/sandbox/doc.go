// Package sandbox is a cluster that could have been: a control plane of its own
// that goes on from a moment of another cluster's past, with simulated nodes, on a
// clock that somebody moves on.
//
// What comes in: the logs of a cluster as projections, which are read once, and a
// moment. What goes out: an api.Store and an api.History over logs of its own, in
// memory; and what happened in them.
//
// What never happens here: a write to the cluster that it comes from, to which
// nothing here holds a way; a rule of its own: commands are decided by package
// events, the control loops are those of a real control plane (reconcilers/roster),
// the nodes' agents those of simulated nodes (agents/virtual).
//
// A sandbox is a discrete-event simulation: all that is due is done, then the clock
// goes to the moment at which something is due next. As long as nobody else writes,
// the same start and the same steps give the same log, byte for byte.
//
// Start with sandbox.go; time.go is how time passes, door.go how a command is
// decided, nodes.go the nodes, seed.go what was before. fork.go is a sandbox with a name and a credential,
// forks.go keeps several; whatif.go asks one question and throws it away.
package sandbox
