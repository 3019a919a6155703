// Package projections folds one log into Pebble and answers every question
// about it: what is true now, what was true then, what happened in between.
//
// What comes in: entries of the log, in order (Commit), and the table of
// kinds. What goes out: views of the cluster at any sequence (View, At), the
// changes as they happen or happened (Watch), the events themselves, the history
// of each object, and hashes that prove two folds equal.
//
// What never happens here: an append, a decision, a reading of the clock, NATS.
// A row is only ever written by Commit (and taken away by DropBefore or a
// window), always together with the position it belongs to, in one batch: a
// fold that is repeated is harmless, and a crash leaves a prefix of the log.
//
// Start with projection.go, then keys.go (what lies in Pebble), tally.go (the
// fold) and group.go (its rows), current.go (the fold without rows), view.go and
// list.go (reading), feed.go (following), verify.go (proof).
package projections
