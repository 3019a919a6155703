// Package replay is a span of the log folded again, far from the cluster that
// wrote it: what each transaction did, what it came of and led to, and whether the
// state after it is the one that was recorded.
//
// What comes in: an archive (package cli/archive) as a stream. What goes out:
// frames, one a transaction, in any order: versions lie in the scratch projection,
// so that going back is reading as of before.
//
// What never happens here: a connection to a cluster, a write to anything that
// somebody uses, or a clock reading.
//
// Start with span.go; frame.go is what a transaction looks like.
package replay
