// Package report is what becomes of a node's words: which command a status asks
// for, what led to it, and which lines for people a node may write.
//
// What comes in: an item of a report, the object as it is, and what is known of
// its past. What goes out: actions, causes, notes.
//
// What never happens here: I/O, a clock reading, or trust: a node may speak of
// itself and of its own pods only.
//
// Start with pod.go; cause.go is why a status is as it is, note.go the notes.
package report
