// Package upgrade tries a new version of segno on the recorded history before
// anybody runs it.
//
// What comes in: an archive of the log, and two programs. What goes out: where
// the new one would come to another state, or decide otherwise, than the one that
// runs.
//
// What never happens here: a request to the cluster, a write to its log.
//
// Both programs examine the same file, and what they find is compared: what a
// rehearsal gets wrong by its nature, both get wrong. Start with examine.go,
// which each program runs; program.go runs one of
// them and distrusts it, compare.go compares both.
package upgrade
