// Package ingressrule is what control plane and nodes have to agree on about
// Ingresses.
//
// What comes in: Ingresses, their classes, and the Services and Secrets that they
// name. What goes out: whether nodes serve an Ingress, which Secrets it needs,
// which port of a Service it means, its certificates, and what is wrong with
// them, in words for people.
//
// What never happens here: a route, a clock reading, I/O.
//
// Start with class.go; certificate.go reads Secrets, backend.go Services.
package ingressrule
