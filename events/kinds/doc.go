// Package kinds is the table of kinds: everything that segno knows of each
// kind of object, as Kubernetes documents it.
//
// What comes in: an object, decoded, and for a change the object before it;
// for the little of admission that needs the cluster, a View; for ages, the
// time as data. What goes out: the object with its defaults, what is wrong with
// it (in Kubernetes' words and field paths), the fact that a change is, and
// the cells of the table that kubectl prints.
//
// What never happens here: a clock reading, a random number, I/O, or a
// decision on what happens to an object; that is package events.
//
// Start with table.go, which lists the kinds; then the file of one kind
// (namespace.go is the shortest complete one). What kinds share lies beside
// them: podspec_*.go and podtemplate.go (pods and everything that makes pods),
// rules.go (what validation is put together from), fill.go (defaults),
// columns.go (tables), meta.go (facts about metadata).
package kinds
