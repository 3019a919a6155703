package cluster

import (
	"net/netip"

	"segno/agents/services"
	"segno/events/kinds"
)

// withDNS fills in where the cluster's DNS is, whom it asks, and for what nobody.
func withDNS(o services.Options) services.Options {
	if o.ResolvConf == "" {
		o.ResolvConf = "/etc/resolv.conf"
	}
	if len(o.DNS) == 0 {
		o.DNS = []netip.Addr{kinds.ClusterDNS}
	}
	o.Networks = []netip.Prefix{kinds.ServiceNetwork()}
	return o
}
