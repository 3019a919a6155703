// Package cluster wires one control plane together: the bus, three logs and
// their folds, the API on both transports, the reconcilers, and the nodes that
// live in this process.
//
// What comes in: a Config. What goes out: a running cluster, and an Info that
// says where to find it.
//
// What never happens here: a rule. Everything that decides is in the packages
// that are put together here.
//
// Start with cluster.go; log.go opens the logs, serve.go the front doors,
// control.go runs the reconcilers, node.go the nodes.
package cluster
