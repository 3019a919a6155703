// Package archive is a span of the logs in one file: the state before it, and
// every transaction in it. An incident that is taken home, the beginning of a replay,
// a backup and a sealed epoch are all such files.
//
// What comes in: projections and what of them is wanted (Write), or a file
// (Open, NewReader). What goes out: a file, or projections that can be read at any
// moment of the span as the cluster could, with every state hash compared.
//
// What never happens here: a write to a log that somebody uses, trust in what
// lies in a file, or a file that is taken for whole when it is not.
//
// Start with format.go, which says what lies in a file; writer.go and reader.go
// are its two ends, open.go folds one, prove.go does without keeping its past.
package archive
