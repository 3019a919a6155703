package cluster

import (
	"net/netip"

	"segno/agents/services"
	"segno/bus"
	"segno/events/kinds"
)

// withServers fills in whom the cluster's DNS asks.
func withServers(o services.Options) services.Options {
	if o.ResolvConf == "" {
		o.ResolvConf = "/etc/resolv.conf"
	}
	return o
}

// withRanges fills in where the cluster's DNS is, and for which addresses it asks
// nobody.
func withRanges(o services.Options, dns []netip.Addr, networks []netip.Prefix) services.Options {
	if len(o.DNS) == 0 {
		o.DNS = dns
	}
	o.Networks = networks
	return o
}

// joinedRanges is what the cluster told this machine when it joined; a cluster of
// before the ranges could be chosen told nothing, and has the usual ones.
func joinedRanges(o services.Options, credential bus.Credential) services.Options {
	var networks []netip.Prefix
	for _, text := range credential.Services {
		if network, err := netip.ParsePrefix(text); err == nil {
			networks = append(networks, network)
		}
	}
	var dns []netip.Addr
	for _, text := range credential.DNS {
		if address, err := netip.ParseAddr(text); err == nil {
			dns = append(dns, address)
		}
	}
	if len(networks) == 0 {
		networks = []netip.Prefix{kinds.DefaultServiceNetwork}
	}
	if len(dns) == 0 {
		dns = []netip.Addr{kinds.ServiceRanges{Networks: networks}.DNS()}
	}
	return withRanges(o, dns, networks)
}
