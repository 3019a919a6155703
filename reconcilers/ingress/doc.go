// Package ingress says where Ingresses are reached.
//
// What comes in: Ingresses and their classes, what they name, and the nodes. What
// goes out: the addresses in their status, which are taken back from those that are
// not served any more, and notes on classes and Services that are missing, and on
// certificates that are not good; at a cluster's start what makes the class that
// nodes serve, if it is missing.
//
// What never happens here: a route. Each node that runs ingress works out its own
// (agents/ingress).
//
// Start with reconciler.go; addresses.go has where nodes are reached, complain.go
// the notes, bootstrap.go the class.
package ingress
