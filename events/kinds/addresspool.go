package kinds

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"unicode"
)

// AddressPool is where load balancers get their addresses from: ranges, in the
// order in which they are used.
type AddressPool []AddressRange

// AddressRange is all addresses from the first to the last.
type AddressRange struct{ First, Last netip.Addr }

// mostRanges of one pool.
const mostRanges = 1000

// ParseAddressPool reads networks (192.0.2.0/28), ranges (192.0.2.1-192.0.2.9)
// and single addresses, with commas or white space between them. A network's own
// address and its broadcast address are not of the pool; who wants them asks for
// a range.
func ParseAddressPool(text string) (AddressPool, error) {
	var pool AddressPool
	for _, part := range strings.FieldsFunc(text, func(r rune) bool { return r == ',' || unicode.IsSpace(r) }) {
		one, err := parseRange(part)
		if err != nil {
			return nil, err
		}
		if len(pool) == mostRanges {
			return nil, fmt.Errorf("address pool: more than %d ranges", mostRanges)
		}
		for _, other := range pool {
			if one.overlaps(other) {
				return nil, fmt.Errorf("address pool: %s overlaps %s", one, other)
			}
		}
		pool = append(pool, one)
	}
	if len(pool) == 0 {
		return nil, errors.New("address pool: no addresses; want such as 192.168.1.240-192.168.1.250 or fd00::/120")
	}
	return pool, nil
}

func parseRange(text string) (r AddressRange, err error) {
	switch from, to, isRange := strings.Cut(text, "-"); {
	case isRange:
		if r.First, err = netip.ParseAddr(from); err == nil {
			r.Last, err = netip.ParseAddr(to)
		}
	case strings.Contains(text, "/"):
		var network netip.Prefix
		if network, err = netip.ParsePrefix(text); err == nil {
			if network != network.Masked() {
				return r, fmt.Errorf("address pool: %s is an address in a network; the network itself is %s", text, network.Masked())
			}
			r = inside(network)
		}
	default:
		r.First, err = netip.ParseAddr(text)
		r.Last = r.First
	}
	if err != nil {
		return r, fmt.Errorf("address pool: %q: want a network such as 192.0.2.0/28, or a range such as 192.0.2.1-192.0.2.9: %w", text, err)
	}
	return r, r.check(text)
}

func (r AddressRange) check(text string) error {
	switch {
	case r.First.Zone() != "" || r.Last.Zone() != "" || r.First.Is4In6() || r.Last.Is4In6():
		return fmt.Errorf("address pool: %q: want plain addresses", text)
	case r.First.Is4() != r.Last.Is4():
		return fmt.Errorf("address pool: %q: one end is of IPv4 and the other of IPv6", text)
	case r.Last.Less(r.First):
		return fmt.Errorf("address pool: %q: ends before it begins", text)
	}
	for _, never := range neverGiven {
		if r.Overlaps(never) {
			return fmt.Errorf("address pool: %q: has addresses of %s, which no client can dial on a network", text, never)
		}
	}
	return nil
}

// neverGiven are this host, loopback, link-local, multicast and reserved
// addresses, and those of IPv4 in IPv6.
var neverGiven = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"), netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("169.254.0.0/16"),
	netip.MustParsePrefix("224.0.0.0/4"), netip.MustParsePrefix("240.0.0.0/4"),
	netip.MustParsePrefix("::/64"), netip.MustParsePrefix("fe80::/10"), netip.MustParsePrefix("ff00::/8"),
}

// inside is a network without its own and its broadcast address, unless it has
// no others.
func inside(network netip.Prefix) AddressRange {
	r := AddressRange{network.Addr(), lastOf(network)}
	if network.Addr().BitLen()-network.Bits() < 2 {
		return r
	}
	r.First = r.First.Next()
	if network.Addr().Is4() {
		r.Last = r.Last.Prev()
	}
	return r
}

func lastOf(network netip.Prefix) netip.Addr {
	bytes := network.Masked().Addr().AsSlice()
	for bit := network.Bits(); bit < len(bytes)*8; bit++ {
		bytes[bit/8] |= 0x80 >> (bit % 8)
	}
	last, _ := netip.AddrFromSlice(bytes)
	return last
}

func (r AddressRange) overlaps(o AddressRange) bool {
	return r.First.Is4() == o.First.Is4() && !r.Last.Less(o.First) && !o.Last.Less(r.First)
}

// Overlaps tells whether an address of the range is in the network.
func (r AddressRange) Overlaps(network netip.Prefix) bool {
	return r.overlaps(AddressRange{network.Masked().Addr(), lastOf(network)})
}

// String is the range as people write it.
func (r AddressRange) String() string {
	if r.First == r.Last {
		return r.First.String()
	}
	return r.First.String() + "-" + r.Last.String()
}

// Contains tells whether the pool has the address.
func (p AddressPool) Contains(address netip.Addr) bool {
	return slices.ContainsFunc(p, func(r AddressRange) bool { return r.overlaps(AddressRange{address, address}) })
}

// Has tells whether the pool has addresses of the family.
func (p AddressPool) Has(v6 bool) bool {
	return slices.ContainsFunc(p, func(r AddressRange) bool { return r.First.Is6() == v6 })
}

// Free is the first address of the family that is not taken. It looks at no more
// than are taken, and one.
func (p AddressPool) Free(v6 bool, taken func(netip.Addr) bool) (netip.Addr, bool) {
	for _, r := range p {
		if r.First.Is6() != v6 {
			continue
		}
		for address := r.First; address.IsValid() && !r.Last.Less(address); address = address.Next() {
			if !taken(address) {
				return address, true
			}
		}
	}
	return netip.Addr{}, false
}
