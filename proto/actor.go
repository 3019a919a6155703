package proto

import "strings"

// Actor is who did it, as authenticated: "user:admin", "node:n1" or
// "system:scheduler". It never comes from a header.
type Actor string

const (
	userPrefix   = "user:"
	nodePrefix   = "node:"
	systemPrefix = "system:"
)

// UserActor is a person.
func UserActor(name string) Actor { return Actor(userPrefix + name) }

// NodeActor is a node's agent.
func NodeActor(n NodeName) Actor { return Actor(nodePrefix + string(n)) }

// SystemActor is a component of the control plane.
func SystemActor(name string) Actor { return Actor(systemPrefix + name) }

// Person tells whether a person did it.
func (a Actor) Person() bool { return strings.HasPrefix(string(a), userPrefix) }

// Node tells whether a node did it.
func (a Actor) Node() bool { return strings.HasPrefix(string(a), nodePrefix) }

// System tells whether the control plane did it by itself.
func (a Actor) System() bool { return strings.HasPrefix(string(a), systemPrefix) }
