// Package undo plans how to take changes back: what one transaction did, or
// everything since a moment.
//
// What comes in: the state as it is now, the past of the log, and which
// transactions or which moment are meant. What goes out: a Plan (what would
// change, field by field, what changed again since and by whom, what cannot come
// back), and the actions that carry it out.
//
// What never happens here: I/O, a clock reading, a random number, or a change. The
// same state and past always give the same plan, and a plan that was carried out
// leaves nothing to plan.
//
// Start with plan.go (what a plan says), then transaction.go (undo) and moment.go
// (restore); refuse.go says what cannot be undone, draft.go how an object is
// taken back, author.go who changed a field since, reborn.go what a deleted
// object comes back as.
package undo
