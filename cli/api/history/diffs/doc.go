// Package diffs compares objects as of two moments, for people and for programs.
//
// What comes in: the records of an object as of each moment, and the transactions
// and nodes that tell when nothing was recorded. What goes out: unified diffs of
// YAML, the spec and the status apart, the fields that changed, counts, and the
// gaps of the span.
//
// What never happens here: I/O, a clock reading, a Secret's value in a text.
//
// Start with answer.go; object.go compares, text.go writes, gap.go finds gaps.
package diffs
