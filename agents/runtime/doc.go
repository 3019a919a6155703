// Package runtime is what the node agent asks of a container engine, whichever
// it is.
//
// What comes in: pods, sandboxes and containers by name, one effect a call.
// What goes out: what runs, what became of it, and byte streams.
//
// What never happens here: a decision about a pod (package pod), an address
// (package network), or a remembered id. Every name derives from the pod's
// UID, so that a repeated call is safe and a restarted agent finds what it left.
//
// Start with runtime.go, the interfaces; state.go is what they answer, spec.go
// what they are given. Package runtimetest holds the one suite that every
// implementation passes.
package runtime
