// Package commands is the command line: kubectl's own commands, embedded, and
// segno's beside them.
//
// What comes in: arguments, environment, a terminal. What goes out: requests to
// the one API, over the bus where the context has one and HTTPS
// otherwise, and text for people.
//
// What never happens here: a rule about objects; those are in package events.
//
// Start with root.go (the tree of commands) and client.go (where they go).
package commands
