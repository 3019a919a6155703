// Package ingress lets clients from outside in, as Ingresses say.
//
// What comes in: Ingresses, their classes, Services and EndpointSlices from the
// node's catalog, Secrets with certificates, and clients' requests. What goes out:
// requests to ready endpoints, answers to clients, and a status in words of a
// condition. Changes hold from the next request on, new certificates from the
// next handshake; no connection is dropped for them.
//
// What never happens here: a buffered body, a trusted X-Forwarded header, a Secret
// on a disk, an Ingress that keeps others from being served.
//
// Start with table.go, which decides where a request goes; pool.go knows the
// endpoints of a backend, certificates.go who is shown which certificate,
// handler.go and balancer.go carry a request, doors.go opens the ports, and
// ingress.go keeps all of it at what the node knows.
package ingress
