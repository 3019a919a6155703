// Package discovery tells clients what there is.
//
// What comes in: the table of kinds, once. What goes out: finished documents,
// both the old walk (APIVersions, APIGroupList, APIResourceList: kubectl 1.20)
// and the aggregated one (APIGroupDiscoveryList: kubectl since 1.26).
//
// What never happens here: I/O, or a kind that the table does not have, except
// the questions about oneself (reviews.go of package api).
//
// Start with catalog.go; group.go gathers the resources, resource.go describes
// one.
package discovery
