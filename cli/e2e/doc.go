// Package e2e drives the real program as a person does: it has only tests.
//
// What comes in: a built segno, stock kubectls, Docker engines. What goes out:
// nothing. What never happens here: a call into segno's own packages; all that
// is known comes from commands, from the API, from files and from Docker.
// Start with kit_test.go.
package e2e
