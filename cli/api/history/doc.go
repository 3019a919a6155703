// Package history is the past as people and programs read it: transactions,
// revisions of an object with what changed, and the chain of causes.
//
// What comes in: envelopes and records of the log. What goes out: JSON types,
// the same for the server that writes them and the command line that reads them.
//
// What never happens here: I/O, a clock reading, or a rule of one kind: fields
// are compared generically.
//
// Start with transaction.go; revision.go says what changed, filter.go which of
// it is wanted, why.go what led to what, verify.go how the log was proved.
// Packages below it: blame says who last set a field, diffs what differs between
// two moments.
package history
