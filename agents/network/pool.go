package network

import (
	"errors"
	"fmt"
	"net/netip"
)

// ErrNotSetUp says that the node has no pod CIDR yet.
var ErrNotSetUp = errors.New("the node has no pod CIDR yet")

// pool hands out the addresses of a CIDR, each to one pod at a time. A freed
// address comes round again last, so that late packets find nobody. Callers
// hold their own lock.
type pool struct {
	cidr    netip.Prefix
	gateway netip.Addr // the first address
	cursor  netip.Addr // the newest handed out
	byUID   map[string]netip.Addr
	holder  map[netip.Addr]string
	closed  error // why no more addresses are handed out
}

// renew answers the pool of a CIDR: the old one when it is of that CIDR, and a
// new one once nobody holds an address of the old one any more. Until then the
// old one is closed, so that the day comes.
func renew(old *pool, cidr netip.Prefix, held map[string]netip.Addr) (*pool, error) {
	switch {
	case old == nil:
	case old.cidr == cidr.Masked():
		old.closed = nil
		return old, nil
	case len(old.byUID) > 0:
		old.closed = fmt.Errorf("pod CIDR %s: pods still hold %d addresses of the former one, %s", cidr, len(old.byUID), old.cidr)
		return nil, old.closed
	}
	return newPool(cidr, held)
}

// newPool takes over the addresses that pods already hold. Two pods with one
// address, or an address outside, is an error that names them.
func newPool(cidr netip.Prefix, held map[string]netip.Addr) (*pool, error) {
	cidr = cidr.Masked()
	if !cidr.IsValid() || cidr.Addr().BitLen()-cidr.Bits() < 2 {
		return nil, fmt.Errorf("pod CIDR %s: no room for a gateway and a pod", cidr)
	}
	gateway := cidr.Addr().Next()
	p := &pool{cidr: cidr, gateway: gateway, cursor: gateway, byUID: map[string]netip.Addr{}, holder: map[netip.Addr]string{}}
	for uid, address := range held {
		if !cidr.Contains(address) {
			return nil, fmt.Errorf("pod CIDR %s: pod %s still holds %s, of another one", cidr, uid, address)
		}
		if other, taken := p.holder[address]; taken {
			return nil, fmt.Errorf("pod CIDR %s: pods %s and %s both hold %s", cidr, other, uid, address)
		}
		p.byUID[uid], p.holder[address] = address, uid
		if p.cursor.Less(address) {
			p.cursor = address
		}
	}
	return p, nil
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

// keep makes sure that the pod, and no other, holds this very address.
func (p *pool) keep(uid string, address netip.Addr) error {
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
