// Package bisect finds the first transaction at which a condition became true.
//
// What comes in: a condition, a span of the log, and the log as far as a search
// looks at it (Log; a projection is one). What goes out: an Answer: the
// transaction, what was known before it, and how it was found.
//
// What never happens here: a write, a clock reading, or a guess that is not
// told: Answer.Method says what an answer rests on.
//
// Four ways lead there. A condition on objects that are named by constants is
// looked at where one of them changed: exact, whatever the length of the log.
// One that only counts objects by what is true of each alone, as exists, all and
// filter().size() do, is looked at version by version, in one pass over all of them:
// exact, too. Another condition on states that is false at the beginning and true at the end is
// searched by halves, as if it became true once. All others, and those about events,
// are looked at transaction by transaction.
//
// Start with bisect.go; tally.go counts, standing.go holds the lists of objects that halves need.
package bisect
