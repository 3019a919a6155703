// Package incident is an archive of a cluster's logs, opened: the whole API as
// of the end of its span and of every moment in it, read-only, on this machine
// alone.
//
// What comes in: a file (package cli/archive), which nobody trusts. What goes out:
// what it holds, in words and numbers, a kubeconfig entry, and an HTTPS server on
// 127.0.0.1 with keys of its own.
//
// What never happens here: a write, a clock that goes on: now is the end of the
// span. Everything unpacked lies in a scratch folder, which goes with Close.
//
// Start with incident.go; server.go serves it, summary.go says what it is.
package incident
