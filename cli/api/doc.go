// Package api speaks the Kubernetes REST protocol over the table of kinds, so
// that kubectl, client-go and their like work unmodified.
//
// What comes in: HTTP requests whose context carries an authenticated User
// (WithUser; the listener's owner puts it there). What goes out: commands to a
// Store, and answers read from its views and changes, as JSON, YAML, Kubernetes
// protobuf or tables. Logs, exec and their like are handed on to the pod's node.
//
// What never happens here: a rule about an object (that is package events), a
// handler for one kind (all of them are served from events.Table), a lock held
// while a client reads, or trust in a header about who is asking.
//
// Start with api.go (configuration and the way of a request), then target.go
// (what a path means), route.go (which verb goes where), read.go, write.go,
// watch.go, and relay.go for streams. Subpackages: table (what kubectl prints),
// discovery and openapi (what there is), history (the past as JSON), logs (the
// Store over projections), apitest (a cluster for tests).
package api
