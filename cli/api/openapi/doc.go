// Package openapi describes the API to clients: what kubectl explains and
// validates with.
//
// What comes in: the table of kinds, once. What goes out: OpenAPI v3, a document
// for each group and version behind an index with hashes, and OpenAPI v2, as
// JSON and as the protobuf that kubectl 1.20 reads. They are made on first use
// by reflection over the Go types: json tags, SwaggerDoc, patch tags.
//
// What never happens here: I/O, or a schema written by hand.
//
// Start with documents.go; model.go and field.go turn types into schemas,
// paths.go and operation.go list what can be done with them, v2.go and v3.go
// put documents together.
package openapi
