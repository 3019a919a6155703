// Package docker runs containers on a Docker engine, through its API.
//
// What comes in: the calls of package runtime. What goes out: requests to one
// engine, states read from it.
//
// What never happens here: a remembered id or state. Names derive from the
// pod's UID and labels carry the rest, so that an agent that restarts, or an
// engine that does, finds everything again. Containers of other owners on the
// same engine are neither seen nor touched.
//
// Start with engine.go; labels.go says what is written on a container,
// pause.go where the image of sandboxes comes from.
package docker
