// Package scripts tests the command line as a person uses it: testdata holds
// scripts (testscript), each with a cluster and a home of its own; the tours
// of docs/tour run in the same harness, so that they stay true.
//
// What comes in: scripts. What goes out: nothing; the package is tests only.
//
// What never happens here: a real container; nodes are simulated.
//
// Start with script_test.go; -update writes what a script's cmp compares with
// anew.
package scripts
