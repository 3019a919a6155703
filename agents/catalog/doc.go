// Package catalog is what a node knows of the cluster's Services, nodes,
// Ingresses and NetworkPolicies.
//
// What comes in: Services, EndpointSlices, Nodes, Ingresses and their classes,
// NetworkPolicies and, once there is one, pods and namespaces, one by one or all
// at once, as the node was told of them. What goes out: the same objects, and
// which of them changed since a follower last asked. Objects are shared: nobody
// changes them.
//
// What never happens here: a network, the kernel, a decision where traffic goes.
//
// Start with catalog.go; follower.go tells what changed, nodes.go where the
// nodes are, ingresses.go the Ingresses, policies.go who is allowed to whom.
package catalog
