package network

import (
	"net"
	"net/netip"
	"strings"
)

// OwnAddress is this machine's first IPv4 address by which others could reach it;
// false when it has none. What we gave it ourselves does not count: those of
// Services, of DNS and of the pods' gateways are the same on every node, or stay
// when the node gets another range. leftOut is one more interface of ours.
func OwnAddress(leftOut string) (found netip.Addr, ok bool) {
	links, _ := net.Interfaces() // none is as good as an error
	for _, link := range links {
		if link.Flags&net.FlagLoopback != 0 || link.Name == leftOut || oursByName(link.Name) {
			continue
		}
		all, _ := link.Addrs() // it may have gone meanwhile
		for _, a := range all {
			prefix, err := netip.ParsePrefix(a.String())
			if err == nil && prefix.Addr().Is4() && usable(prefix.Addr()) {
				return prefix.Addr(), true
			}
		}
	}
	return netip.Addr{}, false
}

func oursByName(link string) bool {
	return strings.HasPrefix(link, bridgePrefix) || strings.HasPrefix(link, tunnelPrefix) || strings.HasPrefix(link, cablePrefix)
}
