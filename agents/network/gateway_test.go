//go:build host

package network

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/vishvananda/netlink"
)

// TestS5GatewaysAreThoseOfOthers: by one way or by two, and not our own.
func TestS5GatewaysAreThoseOfOthers(t *testing.T) {
	enter(t)
	made := &netlink.Bridge{LinkAttrs: named("wire")}
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	check(netlink.LinkAdd(made))
	check(netlink.AddrAdd(made, addressOf(netip.MustParsePrefix("192.0.2.1/24"))))
	check(netlink.LinkSetUp(made))
	index := made.Attrs().Index
	by := func(gateway string) *netlink.NexthopInfo {
		return &netlink.NexthopInfo{LinkIndex: index, Gw: netip.MustParseAddr(gateway).AsSlice()}
	}
	check(netlink.RouteAdd(&netlink.Route{LinkIndex: index, Gw: netip.MustParseAddr("192.0.2.254").AsSlice()}))
	check(netlink.RouteAdd(&netlink.Route{Dst: ipNet(netip.MustParsePrefix("198.51.100.0/24")), MultiPath: []*netlink.NexthopInfo{by("192.0.2.7"), by("192.0.2.8")}}))
	check(netlink.RouteAdd(&netlink.Route{LinkIndex: index, Dst: ipNet(netip.MustParsePrefix("10.244.2.0/24")), Gw: netip.MustParseAddr("192.0.2.9").AsSlice(), Protocol: routeMark}))
	got, err := Gateways()
	expect(t, "gateways", fmt.Sprint(got, err), "[192.0.2.254 192.0.2.7 192.0.2.8] <nil>")
}
