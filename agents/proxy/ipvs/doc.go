// Package ipvs moves the traffic of Services by the kernel's IPVS.
//
// What comes in: rules of Services, as package proxy plans them. What goes out:
// a virtual server of the kernel for each frontend; the Services' addresses on
// a dummy interface of our own, since the kernel only looks at packets that are
// for this node; packets that are dropped, refused and masqueraded by a Guard,
// because IPVS does none of that; and the end of UDP flows that lead nowhere.
//
// A virtual server of ours carries a mark in its flags, which no scheduler
// reads, so that a restarted agent knows its own from others'. Everything on the
// dummy interface is ours.
//
// What never happens here: a change to a virtual server without the mark, a
// packet that passes through this process, the end of an established connection
// of TCP or SCTP before its time: a backend that is no more wanted gets no new
// ones, and is deleted when the last one ended.
//
// Start with plane.go; server.go says what a frontend is for IPVS, change.go
// brings one there, drain.go deletes what is drained, address.go has the dummy
// interface, kernel.go reads what is there.
package ipvs
