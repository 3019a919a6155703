// Package explain answers why something is as it is, from the log: why an
// object was deleted, is pending, was restarted, is not ready, and what followed
// from a change.
//
// What comes in: a question, the cluster as of a moment, and a Past to look
// versions, transactions and notes up in. What goes out: an Answer: sentences,
// the transactions that make it true, and the causes of these where the log has
// them but no transaction states them.
//
// What never happens here: I/O of its own, a clock reading, or a walk over the
// log: everything is found from an object by its versions and from a
// transaction by its cause.
//
// Start with explain.go; deleted.go, pending.go, restarted.go and unready.go
// are the questions, trouble.go says what keeps a pod, blast.go looks the other
// way.
package explain
