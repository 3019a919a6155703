// Package blame says of every field of an object who last set it.
//
// What comes in: the versions of an object, asked for from the newest one back,
// and the transactions that made them. What goes out: the object's fields, each
// with the transaction, the time, the actor and the manager that last set it, and
// the object's YAML with the same beside each line.
//
// What never happens here: I/O of its own (the caller brings the log), a clock
// reading, or a look at a version that can say nothing about a field whose origin
// is still open.
//
// Start with blame.go; manager.go reads managedFields, lines.go makes the YAML.
package blame
