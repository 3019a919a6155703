package network

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
)

func TestS8APlanLeavesOutWhatMakesNoSense(t *testing.T) {
	own := netip.MustParseAddr("192.0.2.1")
	peer := func(name, address string, cidrs ...string) Peer {
		p := Peer{Name: name}
		p.Address, _ = netip.ParseAddr(address)
		for _, cidr := range cidrs {
			p.PodCIDRs = append(p.PodCIDRs, netip.MustParsePrefix(cidr))
		}
		return p
	}
	used := []span{{netip.MustParsePrefix("10.77.1.0/24"), "this node's own"}, {netip.MustParsePrefix("192.0.2.1/24"), "eth0"}}
	for name, c := range map[string]struct {
		peers  []Peer
		hops   string
		inside int
		flaws  string
	}{
		"nobody":                     {},
		"both families":              {peers: []Peer{peer("b", "192.0.2.2", "10.77.2.0/24", "fd77::/64")}, hops: "b 192.0.2.2 10.77.2.0/24, b 192.0.2.2 fd77::/64", inside: 2},
		"on this machine":            {peers: []Peer{peer("b", "192.0.2.1", "10.77.2.0/24")}, inside: 1},
		"no address":                 {peers: []Peer{peer("b", "", "10.77.2.0/24")}, flaws: "node b: "},
		"a loopback one":             {peers: []Peer{peer("b", "127.0.0.1", "10.77.2.0/24")}, flaws: "node b: "},
		"everything":                 {peers: []Peer{peer("b", "192.0.2.2", "0.0.0.0/0")}, flaws: "node b: its pod CIDR 0.0.0.0/0 overlaps"},
		"a part of this node's":      {peers: []Peer{peer("b", "192.0.2.2", "10.77.1.64/26")}, flaws: "overlaps this node's own"},
		"another node's address":     {peers: []Peer{peer("b", "192.0.2.2", "198.51.100.0/24"), peer("c", "198.51.100.3", "10.77.3.0/24")}, hops: "c 198.51.100.3 10.77.3.0/24", inside: 1, flaws: "overlaps the address of node c"},
		"two with one":               {peers: []Peer{peer("c", "192.0.2.3", "10.77.2.0/24"), peer("b", "192.0.2.2", "10.77.2.0/24")}, hops: "b 192.0.2.2 10.77.2.0/24", inside: 1, flaws: "node c: its pod CIDR 10.77.2.0/24 overlaps the pod CIDR of node b"},
		"an address of IPv4 in IPv6": {peers: []Peer{peer("b", "::ffff:192.0.2.2", "10.77.2.0/24")}, hops: "b 192.0.2.2 10.77.2.0/24", inside: 1},
		"no CIDR":                    {peers: []Peer{{Name: "b", Address: netip.MustParseAddr("192.0.2.2"), PodCIDRs: []netip.Prefix{{}}}}, flaws: "node b: "},
	} {
		hops, inside, flaws := plan(own, used, c.peers)
		var said []string
		for _, h := range hops {
			said = append(said, fmt.Sprintf("%s %s %s", h.peer, h.address, h.cidr))
		}
		text := fmt.Sprint(errors.Join(flaws...))
		if got := strings.Join(said, ", "); got != c.hops || len(inside) != c.inside || (len(flaws) > 0) != (c.flaws != "") || !strings.Contains(text, c.flaws) && c.flaws != "" {
			t.Errorf("%s: hops %q, inside %v, flaws %v", name, got, inside, flaws)
		}
	}
}

// TestS8NodesOfOneMachineMayHaveLoopbackAddresses, and are then no hops to each
// other.
func TestS8NodesOfOneMachineMayHaveLoopbackAddresses(t *testing.T) {
	peer := Peer{Name: "b", Address: netip.MustParseAddr("127.0.0.2"), PodCIDRs: []netip.Prefix{netip.MustParsePrefix("10.77.2.0/24")}}
	hops, inside, flaws := plan(netip.MustParseAddr("127.0.0.1"), nil, []Peer{peer})
	if len(hops) > 0 || len(inside) != 1 || len(flaws) > 0 {
		t.Errorf("hops %v, inside %v, flaws %v", hops, inside, flaws)
	}
}

// TestS8OverlapsAreFoundAsByLookingAtAll compares with the plain way.
func TestS8OverlapsAreFoundAsByLookingAtAll(t *testing.T) {
	seed := rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 0))
	for range 300 {
		taken, all := spans{map[netip.Prefix]string{}, map[netip.Prefix]string{}}, []netip.Prefix(nil)
		for range 20 {
			p := netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(r.IntN(4)), byte(r.IntN(4)), byte(r.IntN(256))}), 8+r.IntN(25)).Masked()
			want := false
			for _, other := range all {
				want = want || other.Overlaps(p)
			}
			if _, got := taken.find(p); got != want {
				t.Fatalf("seed %d: %s in %v: %t", seed, p, all, got)
			}
			taken.add(p, "x")
			all = append(all, p)
		}
	}
}

func TestS8RangesBecomeIntervals(t *testing.T) {
	for text, want := range map[string]string{
		"10.0.0.0/24":                          "10.0.0.0-10.0.1.0",
		"10.0.1.0/24 10.0.0.0/24":              "10.0.0.0-10.0.2.0",
		"10.0.0.0/16 10.0.3.0/24 10.2.0.0/16":  "10.0.0.0-10.1.0.0 10.2.0.0-10.3.0.0",
		"255.255.255.0/24 255.255.255.128/25":  "255.255.255.0-",
		"fd00::/64 fd00:0:0:1::/64":            "fd00::-fd00:0:0:2::",
		"ffff::/16 fffe::/16 fd00::/64":        "fd00::-fd00:0:0:1:: fffe::-",
		"10.0.0.0/24 10.0.0.0/24 10.0.0.0/25 ": "10.0.0.0-10.0.1.0",
	} {
		var of []netip.Prefix
		for _, p := range strings.Fields(text) {
			of = append(of, netip.MustParsePrefix(p))
		}
		got := ""
		for _, e := range intervals(of) {
			a, _ := netip.AddrFromSlice(e.Key)
			if e.IntervalEnd {
				got += a.String()
			} else {
				got += " " + a.String() + "-"
			}
		}
		if strings.TrimSpace(got) != want {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
}

// TestS8APodHasTheSamePlaceInBothNetworks, whichever of them comes first.
func TestS8APodHasTheSamePlaceInBothNetworks(t *testing.T) {
	for _, text := range []string{"10.1.7.0/24 fd00:0:0:7::/64", "fd00:0:0:7::/64 10.1.7.0/24"} {
		var cidrs []netip.Prefix
		for _, p := range strings.Fields(text) {
			cidrs = append(cidrs, netip.MustParsePrefix(p))
		}
		p, err := newPool(cidrs, nil)
		if err != nil {
			t.Fatal(err)
		}
		held, seen := map[string]netip.Addr{}, map[netip.Addr]bool{}
		for i := range 253 {
			all, err := p.allocate(fmt.Sprint(i))
			if err != nil || len(all) != 2 || !cidrs[0].Contains(all[0]) || !cidrs[1].Contains(all[1]) || seen[all[0]] || seen[all[1]] {
				t.Fatalf("%s: pod %d has %v, %v", text, i, all, err)
			}
			held[fmt.Sprint(i)], seen[all[0]], seen[all[1]] = all[0], true, true
		}
		if all, err := p.allocate("one more"); err == nil {
			t.Errorf("%s: %v for one more than there are", text, all)
		}
		again, err := newPool(cidrs, held)
		if err != nil {
			t.Fatal(err)
		}
		for uid, first := range held {
			if all, err := again.allocate(uid); err != nil || all[0] != first {
				t.Errorf("%s: %s had %s and has %v, %v", text, uid, first, all, err)
			}
			if err := again.keep(uid, first); err != nil {
				t.Error(err)
			}
		}
	}
	two := []netip.Prefix{netip.MustParsePrefix("10.1.7.0/24"), netip.MustParsePrefix("10.1.8.0/24")}
	if _, err := newPool(two, nil); err == nil || !strings.Contains(err.Error(), "two of one family") {
		t.Errorf("two of one family: %v", err)
	}
	if _, err := newPool(nil, nil); err == nil {
		t.Error("a pool of nothing was made")
	}
}
