// Package runtimetest is the one suite that every runtime passes: what the
// agent relies on, and nothing that only one engine can do.
//
// What comes in: a Harness around an engine. What goes out: test results.
// What never happens here: a container left behind.
//
// Start with suite.go; harness.go says what an engine must bring along.
package runtimetest
