// Package loadbalancer gives Services of type LoadBalancer addresses of the
// cluster's pool.
//
// What comes in: Services, the ConfigMap that holds the pool (events/kinds reads
// it), and which addresses nodes and their gateways have. What goes out:
// status.loadBalancer of Services, a condition that says what lacks, and notes.
//
// What never happens here: an announcement of an address, or a choice of the
// node that does so (agents/announce), or a change of a Service that another
// load balancer serves. That no two Services have one address is seen to by
// admission, in the transaction of the status; here a free one is looked for.
//
// Start with reconciler.go; choice.go decides on addresses, answer.go says so.
package loadbalancer
