// Package agents is the node: it runs the pods that the control plane bound
// to it and tells what becomes of them.
//
// What comes in: Wants over a Link, changes at a container engine, requests
// for logs and exec on a listener. What goes out: effects on the engine and
// the node's network, statuses through a durable outbox, heartbeats.
//
// What never happens here: a choice of node for a pod, a read of the log, an
// open port, a container stopped because the control plane is away. What the
// node should run is kept in its own folder, so that an agent without a
// control plane goes on.
//
// Start with agent.go, which wires the parts together; link.go is the way to
// the control plane, follow.go what is done with what comes over it, shared.go
// with what all nodes are told; package pod is the life of a pod.
package agents
