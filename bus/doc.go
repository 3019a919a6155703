// Package bus is NATS and nothing else: the embedded server, the log with its
// one door for writes, credentials, connections between people, nodes and the
// control plane, and what travels over them.
//
// What comes in: commands (Sequencer.Submit), reports and heartbeats of nodes
// (Intake), changes to relay (Relay), byte streams (Dial, Listen). What goes
// out: outcomes that are durable, wants for nodes, the feed.
//
// What never happens here: a decision about an object (package events decides,
// a Fold keeps), and an actor read from a header: who speaks is the token of the
// subject that the server's permissions pin (identity.go).
//
// Start with sequencer.go, the one door; server.go is the embedded server,
// repair.go what is compared at start, tunnel.go how HTTP runs over NATS.
package bus
