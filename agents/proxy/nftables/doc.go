// Package nftables moves the traffic of Services by the kernel's nftables.
//
// What comes in: rules of Services, as package proxy plans them. What goes out:
// a table of this package's own, once for IPv4 and once for IPv6, and the end of
// UDP flows that lead nowhere.
//
// What never happens here: a change to a table that is not ours, a packet that
// passes through this process, a chain or rule of a Service's own, unless it has
// session affinity or source ranges: all else is elements of sets and maps, so
// that a change costs what changed.
//
// Start with layout.go, which shows the table and the way of a packet through
// it; element.go makes elements of a Service, own.go the chains that a frontend
// may have, plane.go and change.go keep the kernel as it should be, clients.go
// and package flows end what leads nowhere.
package nftables
