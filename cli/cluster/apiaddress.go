package cluster

import (
	"cmp"
	"crypto/tls"
	"net"
	"net/netip"

	"segno/agents/resolv"
	"segno/events/kinds"
)

// dialled is where one dials what listens at an address: what listens at all of
// them, at the node's own. It is an invalid one for what has no port.
func (c *Cluster) dialled(at net.Addr) netip.AddrPort {
	tcp, ok := at.(*net.TCPAddr)
	if !ok {
		return netip.AddrPort{}
	}
	address := tcp.AddrPort().Addr().Unmap().WithZone("")
	if address.IsUnspecified() {
		address = c.cfg.Pods.NodeAddress()
	}
	return netip.AddrPortFrom(address, tcp.AddrPort().Port())
}

// apiAddress is where nodes, and their pods, reach the API; an invalid one where
// only this machine does.
func (c *Cluster) apiAddress() netip.AddrPort {
	if c.https == nil {
		return netip.AddrPort{}
	}
	at := c.dialled(c.https.Addr())
	if at.Addr().IsLoopback() || at.Addr().IsLinkLocalUnicast() {
		return netip.AddrPort{}
	}
	return at
}

// secured is the API's port with its certificate, which is good for its Service as
// well: where that is, the log says.
func (c *Cluster) secured() (net.Listener, error) {
	ranges, _, err := kinds.RangesOfServices(c.View())
	if err != nil {
		return nil, err
	}
	service := kinds.APIService.Name + "." + kinds.APIService.Namespace
	certificate, err := c.authority.Server("api", append(c.hostNames(), ranges.API().String(),
		kinds.APIService.Name, service, service+".svc", service+".svc."+cmp.Or(c.cfg.Services.Domain, resolv.DefaultDomain)))
	if err != nil {
		return nil, err
	}
	return tls.NewListener(c.https, &tls.Config{
		Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"},
		ClientAuth: tls.VerifyClientCertIfGiven, ClientCAs: c.authority.Pool(),
	}), nil
}
