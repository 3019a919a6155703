// Package simulated is a container engine in which nothing runs: thousands of
// nodes fit in one process, for scale tests, forks and demonstrations. It
// always says what it is, in Info and in its logs.
//
// What comes in: the calls of package runtime; behaviour is scripted by a
// pod's annotations (script.go). What goes out: states that change as those of
// real containers would.
//
// What never happens here: a process, a file, a network, a goroutine for a
// container. Time is read through package time alone, so that all of it also
// runs on virtual time.
//
// Start with engine.go; pods.go is what it keeps.
package simulated
