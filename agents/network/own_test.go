//go:build host

package network

import (
	"net/netip"
	"testing"

	"github.com/vishvananda/netlink"
)

// TestN1ARestartedNodeHasItsOwnAddress, and takes none of those that it has given
// its machine before.
func TestN1ARestartedNodeHasItsOwnAddress(t *testing.T) {
	enter(t)
	if found, ok := OwnAddress("left-out"); ok {
		t.Errorf("without a network it has %s", found)
	}
	if err := Answer(netip.MustParseAddr("10.96.0.10")); err != nil {
		t.Fatal(err)
	}
	newTestBridge(t, NameFor("c", "n1"), "10.77.1.0/24", nil)
	for name, address := range map[string]string{"left-out": "10.96.7.7/32", "eth0": "192.0.2.1/24"} {
		if err := netlink.LinkAdd(&netlink.Bridge{LinkAttrs: named(name)}); err != nil {
			t.Fatal(err)
		}
		link, err := netlink.LinkByName(name)
		if err == nil {
			err = netlink.AddrAdd(link, addressOf(netip.MustParsePrefix(address)))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if found, ok := OwnAddress("left-out"); !ok || found != netip.MustParseAddr("192.0.2.1") {
		t.Errorf("it has %s, %t", found, ok)
	}
}
