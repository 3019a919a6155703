// Package condition is the language in which people ask "when did it become
// true?": expressions in CEL over the objects of the cluster and the events of
// the log.
//
// What comes in: the text of an expression and a table of kinds; then, as often
// as one likes, the cluster as of a moment (State) and what happened at it
// (Occurrence). What goes out: true or false, what the expression depends on, and
// flaws that say in which column they are and what is allowed there.
//
// What never happens here: I/O of its own, a clock reading, or an evaluation
// without an end: length, depth, cost and the context bound it.
//
// Something that does not exist makes a comparison false rather than an error:
// rewrite.go says how. Fields are those of the kinds' Go types, by the names that
// JSON gives them; value.go reads them without writing the object as JSON first.
//
// Start with condition.go.
package condition
