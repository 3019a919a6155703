// Package dns answers a node's questions for names.
//
// What comes in: DNS questions over UDP and TCP, the Services that the node
// knows (agents/catalog), and the servers that the rest is asked of. What goes
// out: answers by the Kubernetes DNS specification 1.1 for names of the cluster,
// and other servers' answers, kept for a while, for all others.
//
// What never happens here: a question to the control plane. Names of the
// cluster are answered from what the node was told, also while nobody tells it
// anything.
//
// Start with zone.go: a question and an index in, an answer out, pure. entry.go
// says what a Service is here, index.go finds them; server.go takes the
// questions, and forward.go asks others.
package dns
