// Package catalog is what a node knows of the cluster's Services and nodes.
//
// What comes in: Services, EndpointSlices and Nodes, one by one or all at once,
// as the node was told of them. What goes out: the same objects by Service, and
// which Services changed since a follower last asked. Objects are shared: nobody
// changes them.
//
// What never happens here: a network, the kernel, a decision where traffic goes.
//
// Start with catalog.go; follower.go tells what changed, nodes.go where the
// nodes are.
package catalog
