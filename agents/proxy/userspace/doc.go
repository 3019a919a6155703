// Package userspace moves the traffic of Services by itself: it listens where
// clients dial, and copies.
//
// What comes in: rules of Services, as package proxy plans them, and
// connections. What goes out: connections to backends, which see this node as
// their client; if one does not answer, the next is tried. Node ports above 1024
// need no privileges. Cluster IPs and the like must be addresses of this node:
// with CAP_NET_ADMIN they are made that, by local routes which carry a mark of
// ours; without it, their Services fail and say why.
//
// What never happens here: a packet that is dropped rather than refused, a
// client's own address at a backend, a buffer or goroutine of an idle Service
// besides its listeners.
//
// Start with plane.go; port.go listens, front.go chooses a backend, tcp.go and udp.go copy,
// local.go makes addresses this node's; surroundings.go knows who is on it,
// room.go how much can be carried.
package userspace
