// Package garbage ends objects whose owners are gone.
//
// What comes in: objects of any kind of the table with their owner references,
// and the finalizers that a deletion has left on an owner. What goes out:
// deletions of dependents, references taken off, and finalizers removed once
// they have done their work.
//
// What never happens here: the deletion of an object that still has an owner, or
// of one whose owner is of a kind that the table does not know.
//
// Start with reconciler.go; dependent.go decides on one object by its owners,
// owner.go on an owner by its dependents.
package garbage
