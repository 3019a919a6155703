//go:build host

package network

import (
	"net/netip"
	"testing"
)

// TestN2TheRangesOfManyNodes are written whole, and shrink again.
func TestN2TheRangesOfManyNodes(t *testing.T) {
	enter(t)
	own := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/24"), netip.MustParsePrefix("fd77::/64")}
	tables := tables{name: tablePrefix + "many"}
	for _, nodes := range []int{3000, 3, 3000} {
		inside := own
		for i := range nodes { // no two are neighbours: they would be one
			at := 2 * (i + 1)
			v4 := netip.AddrFrom4([4]byte{10, byte(at >> 8), byte(at), 0})
			v6 := netip.AddrFrom16([16]byte{0xfd, 0x77, 6: byte(at >> 8), 7: byte(at)})
			inside = append(inside, netip.PrefixFrom(v4, 24), netip.PrefixFrom(v6, 64))
		}
		if err := tables.masquerade(own, inside); err != nil {
			t.Fatalf("%d nodes: %v", nodes, err)
		}
		conn, err := connect()
		if err != nil {
			t.Fatal(err)
		}
		for _, v6 := range []bool{false, true} {
			have, err := conn.GetSetElements(tables.half(v6).inside)
			begun := 0
			for _, e := range have {
				if !e.IntervalEnd {
					begun++
				}
			}
			if err != nil || begun != nodes+1 {
				t.Errorf("%d nodes, IPv6 %t: the set has %d ranges, %v", nodes, v6, begun, err)
			}
		}
	}
}
