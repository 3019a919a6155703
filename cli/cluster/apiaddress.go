package cluster

import (
	"net"
	"net/netip"
)

// apiAddress is where nodes, and their pods, reach the API; an invalid one where
// only this machine does.
func (c *Cluster) apiAddress() netip.AddrPort {
	if c.https == nil {
		return netip.AddrPort{}
	}
	tcp, ok := c.https.Addr().(*net.TCPAddr)
	if !ok {
		return netip.AddrPort{}
	}
	address := tcp.AddrPort().Addr().Unmap().WithZone("")
	if address.IsUnspecified() {
		address = c.cfg.Pods.NodeAddress()
	}
	if address.IsLoopback() || address.IsLinkLocalUnicast() {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(address, tcp.AddrPort().Port())
}
