// Package proxy makes the Services of a cluster work on one node.
//
// What comes in: the catalog of Services with their endpoints, and what this
// node is called and where it can be reached. What goes out: the rules of each
// Service, given to a Plane, which moves the traffic: the kernel by its IPVS or
// nftables, or this process itself; and the answers to health checks of load
// balancers.
//
// What never happens here: a kernel, a packet, a connection; those are the
// planes' (folders ipvs, nftables and userspace), which all pass the suite in
// proxytest. An object that makes no sense is left out and named, and keeps no
// other from working.
//
// Start with plane.go, what a plane is told; plan.go makes it from a Service,
// endpoints.go says who may answer; claims.go settles who gets an address that
// two Services want; proxy.go follows the catalog, round.go tells the plane.
package proxy
