// Package world is a cluster in memory for the tests of the control loops: the
// real table of kinds, the real Decide and Apply, and no log, disk or network.
//
// What comes in: commands, from loops and from scripts. What goes out: views,
// changes in log order, and a text of every transaction.
//
// What never happens here: a goroutine, or anything that the real cluster would
// decide otherwise. Time is that of package testing/synctest.
//
// Start with world.go, which stands in for sequencer and projection; view.go is
// its reading side, script.go runs testdata/*.txtar, and print.go makes the text.
package world
