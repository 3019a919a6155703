// Package reconcilers is the shared loop of the control loops, and the contract
// that each of them keeps.
//
// What comes in: every durable change of the log (Feed), the cluster as it is
// (Views), and the time as data. What goes out: commands through the one door
// for all writes (Submitter), and notes (Kubernetes Event objects) for people.
//
// What never happens here: a write to the log past the sequencer, a decision on
// a view that is older than what the loop itself has written or may have
// written, or work dropped because of an error. A Reconciler itself reads no
// clock, does no I/O, starts no goroutine, and keeps nothing from one call to
// the next.
//
// The words:
//
//	key      which object to look at; never what happened to it
//	trigger  a key together with the change that made it worth a look: the cause
//	         of the commands that follow, so that `segno why` finds its way back
//	resync   at start, every existing object of the watched kinds is a trigger;
//	         again a while after an object that fails was left out
//	stale    an answer that says that the view was old: read again, at once
//	refused  an answer that will not change until the object does: say so in a
//	         note, and leave it
//	failed   anything else: try again, 5 ms later, 10 ms, … a minute
//
// Start with reconciler.go (the contract), then loop.go (how it is run). The
// control loops are packages of their own: namespace, replicaset, deployment,
// endpoints, garbage, scheduler, nodelife, loadbalancer, ingress, allocation,
// standing.
package reconcilers
