// Package namespace empties namespaces that are being deleted, and makes those
// that every cluster has.
//
// What comes in: a namespace, and everything in it, of every kind of the table,
// notes and leases included. What goes out: deletions, and when nothing is left
// the removal of the finalizer, which ends the namespace; Bootstrap answers the
// commands that make the first namespaces.
//
// What never happens here: a deletion in a namespace that is not Terminating.
//
// Start with reconciler.go; remains.go says what keeps a namespace from going.
package namespace
