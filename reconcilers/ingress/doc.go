// Package ingress says where Ingresses are reached.
//
// What comes in: Ingresses and their classes, and the nodes. What goes out: the
// addresses in their status; at a cluster's start what makes the class that nodes
// serve, if it is missing.
//
// What never happens here: a route. Each node that runs ingress works out its own
// (agents/ingress).
//
// Start with bootstrap.go.
package ingress
