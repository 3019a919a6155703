package network

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// ErrNotSetUp says that the node has no pod CIDR yet.
var ErrNotSetUp = errors.New("the node has no pod CIDR yet")

// pool hands out the addresses of a CIDR, each to one pod at a time. A freed
// address comes round again last, so that late packets find nobody. Callers
// hold their own lock.
type pool struct {
	cidrs   []netip.Prefix // the node's, one of a family
	cidr    netip.Prefix   // the one of them with the fewest addresses; those of the others follow from its
	gateway netip.Addr     // the first address
	cursor  netip.Addr     // the newest handed out
	byUID   map[string]netip.Addr
	holder  map[netip.Addr]string
	closed  error // why no more addresses are handed out
}

// renew answers the pool of a CIDR: the old one when it is of that CIDR, and a
// new one once nobody holds an address of the old one any more. Until then the
// old one is closed, so that the day comes.
func renew(old *pool, cidrs []netip.Prefix, held map[string]netip.Addr) (*pool, error) {
	switch {
	case old == nil:
	case slices.EqualFunc(old.cidrs, cidrs, func(a, b netip.Prefix) bool { return a == b.Masked() }):
		old.closed = nil
		return old, nil
	case len(old.byUID) > 0:
		old.closed = fmt.Errorf("pod CIDR %s: pods still hold %d addresses of the former one, %s", listed(cidrs), len(old.byUID), listed(old.cidrs))
		return nil, old.closed
	}
	return newPool(cidrs, held)
}

// newPool takes over the addresses that pods already hold, each the first of a
// pod. Two pods with one address, or an address outside, is an error that names
// them.
func newPool(cidrs []netip.Prefix, held map[string]netip.Addr) (*pool, error) {
	p := &pool{byUID: map[string]netip.Addr{}, holder: map[netip.Addr]string{}}
	for _, cidr := range cidrs {
		cidr = cidr.Masked()
		if !cidr.IsValid() || room(cidr) < 2 {
			return nil, fmt.Errorf("pod CIDR %s: no room for a gateway and a pod", cidr)
		}
		if slices.ContainsFunc(p.cidrs, func(other netip.Prefix) bool { return other.Addr().Is6() == cidr.Addr().Is6() }) {
			return nil, fmt.Errorf("pod CIDRs %s: two of one family", listed(cidrs))
		}
		p.cidrs = append(p.cidrs, cidr)
		if !p.cidr.IsValid() || room(cidr) < room(p.cidr) {
			p.cidr = cidr
		}
	}
	if !p.cidr.IsValid() {
		return nil, errors.New("the node has no pod CIDR")
	}
	p.gateway = gatewayOf(p.cidr)
	p.cursor = p.gateway
	for uid, first := range held {
		if !p.cidrs[0].Contains(first) {
			return nil, fmt.Errorf("pod CIDR %s: pod %s still holds %s, of another one", p.cidrs[0], uid, first)
		}
		address := twin(first, p.cidrs[0], p.cidr)
		if !p.cidr.Contains(address) {
			return nil, fmt.Errorf("pod CIDR %s: pod %s holds %s, for which there is no address in it", p.cidr, uid, first)
		}
		if other, taken := p.holder[address]; taken {
			return nil, fmt.Errorf("pod CIDR %s: pods %s and %s both hold %s", p.cidr, other, uid, address)
		}
		p.byUID[uid], p.holder[address] = address, uid
		if p.cursor.Less(address) {
			p.cursor = address
		}
	}
	return p, nil
}

// room is how many bits a network leaves for its addresses.
func room(cidr netip.Prefix) int { return cidr.Addr().BitLen() - cidr.Bits() }

func gatewayOf(cidr netip.Prefix) netip.Addr { return cidr.Masked().Addr().Next() }

// twin is the address that has the same place in another network.
func twin(address netip.Addr, from, to netip.Prefix) netip.Addr {
	if from == to {
		return address
	}
	place := address.AsSlice()
	for bit := range from.Bits() {
		place[bit/8] &^= 0x80 >> (bit % 8)
	}
	out := to.Masked().Addr().AsSlice()
	for i := 1; i <= min(len(out), len(place)); i++ {
		out[len(out)-i] |= place[len(place)-i]
	}
	found, _ := netip.AddrFromSlice(out)
	return found
}

func listed(cidrs []netip.Prefix) string {
	texts := make([]string, len(cidrs))
	for i := range cidrs {
		texts[i] = cidrs[i].String()
	}
	return strings.Join(texts, ",")
}

// allocate answers the pod's addresses, one in each of the node's networks.
func (p *pool) allocate(uid string) ([]netip.Addr, error) {
	address, err := p.take(uid)
	if err != nil {
		return nil, err
	}
	return p.all(address), nil
}

func (p *pool) all(address netip.Addr) []netip.Addr {
	out := make([]netip.Addr, len(p.cidrs))
	for i, cidr := range p.cidrs {
		out[i] = twin(address, p.cidr, cidr)
	}
	return out
}

// take answers the pod's address, the next free one when it has none.
func (p *pool) take(uid string) (netip.Addr, error) {
	if address, ok := p.byUID[uid]; ok {
		return address, nil
	}
	if p.closed != nil {
		return netip.Addr{}, p.closed
	}
	address := p.cursor
	for range len(p.holder) + 1 { // one more than can be in the way
		if address = address.Next(); !p.usable(address) {
			address = p.gateway.Next()
		}
		if _, taken := p.holder[address]; !taken {
			p.cursor = address
			p.byUID[uid], p.holder[address] = address, uid
			return address, nil
		}
	}
	return netip.Addr{}, fmt.Errorf("pod CIDR %s: all %d addresses are in use", p.cidr, len(p.holder))
}

// usable leaves out the network, the gateway and (IPv4) the broadcast address.
func (p *pool) usable(address netip.Addr) bool {
	if !p.cidr.Contains(address) {
		return false
	}
	return !address.Is4() || p.cidr.Contains(address.Next())
}

// keep makes sure that the pod, and no other, holds this very first address.
func (p *pool) keep(uid string, first netip.Addr) error {
	if !p.cidrs[0].Contains(first) {
		return fmt.Errorf("address %s of pod %s is not in the node's CIDR %s", first, uid, p.cidrs[0])
	}
	address := twin(first, p.cidrs[0], p.cidr)
	if other, taken := p.holder[address]; taken && other != uid {
		return fmt.Errorf("address %s of pod %s is held by pod %s", address, uid, other)
	}
	if !p.cidr.Contains(address) {
		return fmt.Errorf("address %s of pod %s is not in the node's CIDR %s", address, uid, p.cidr)
	}
	delete(p.holder, p.byUID[uid])
	p.byUID[uid], p.holder[address] = address, uid
	return nil
}

func (p *pool) free(uid string) {
	delete(p.holder, p.byUID[uid])
	delete(p.byUID, uid)
}
