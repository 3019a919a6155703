// Package endpoints says which pods are behind a Service.
//
// What comes in: a Service and the pods that its selector finds; for a Service
// without a selector, the Endpoints that somebody made by hand. What goes out:
// Endpoints, and EndpointSlices of at most a hundred endpoints each.
//
// What never happens here: traffic. Nothing is programmed and no address is
// allocated.
//
// Start with reconciler.go, then backend.go (what a pod is to a Service);
// legacy.go writes Endpoints, slice.go and packing.go write EndpointSlices,
// mirror.go makes slices of Endpoints made by hand, place.go says for whom an
// endpoint is near.
package endpoints
