// Package proto is segno's contract on the wire.
//
// What comes in: bytes from the log, from the bus and from disk. What goes
// out: typed envelopes, names, and the subjects under which they travel.
//
// What never happens here: a decision, a clock reading, I/O, or an import of
// any other segno package. A name that is spelled in two packages belongs here.
//
// Start with envelope.go, the transaction as it lies in the log; codec.go
// says how it becomes bytes, upcast.go how older bytes are read, key.go how objects are named, subjects.go where
// messages go.
package proto
