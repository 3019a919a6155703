package network

import (
	"fmt"
	"net/netip"
	"slices"

	nft "github.com/google/nftables"
	"golang.org/x/sys/unix"
)

// HostPort is a port of the node that leads to a pod.
type HostPort struct {
	// Address of the node; invalid or unspecified is all of them.
	Address  netip.Addr
	Protocol string // TCP, UDP or SCTP, as in a pod
	Port     uint16
	Target   uint16 // of the pod
}

var protocols = map[string]byte{"TCP": unix.IPPROTO_TCP, "UDP": unix.IPPROTO_UDP, "SCTP": unix.IPPROTO_SCTP}

// publish makes the ports lead to the pod, and no others to it. What a later pod
// asks for it gets: the scheduler sees to it that no two do.
func (t tables) publish(pod []netip.Addr, ports []HostPort) error {
	return t.change(pod, func(h half, address netip.Addr) (on, all []nft.SetElement, err error) {
		for _, p := range ports {
			protocol, known := protocols[p.Protocol]
			if !known || p.Port == 0 || p.Target == 0 {
				return nil, nil, fmt.Errorf("host port %d to port %d by %q: the protocol must be TCP, UDP or SCTP, and ports from 1", p.Port, p.Target, p.Protocol)
			}
			key := slices.Concat([]byte{protocol, 0, 0, 0}, portBytes(p.Port))
			value := slices.Concat(address.AsSlice(), portBytes(p.Target))
			switch a := p.Address.Unmap(); {
			case !a.IsValid() || a.IsUnspecified():
				all = append(all, nft.SetElement{Key: key, Val: value})
			case a.Is6() == h.v6:
				on = append(on, nft.SetElement{Key: slices.Concat(a.AsSlice(), key), Val: value})
			}
		}
		return on, all, nil
	})
}

// withdraw takes the ports of the pods back.
func (t tables) withdraw(pod []netip.Addr) error { return t.publish(pod, nil) }

// change brings the ports of pods from what they are to what want says.
func (t tables) change(pod []netip.Addr, want func(h half, address netip.Addr) (on, all []nft.SetElement, err error)) error {
	conn, err := connect()
	if err != nil {
		return err
	}
	var former []netip.Addr // whom clients of UDP may still mean
	for _, address := range pod {
		h := t.half(address.Is6())
		on, all, err := want(h, address)
		if err != nil {
			return err
		}
		for set, wanted := range map[*nft.Set][]nft.SetElement{h.on: on, h.ports: all, h.back: h.ledTo(address, on)} {
			udp, err := h.exchange(conn, set, wanted, func(a netip.Addr) bool { return a == address })
			if err != nil {
				return fmt.Errorf("host ports of the pod %s: %w", address, err)
			}
			if udp {
				former = append(former, address)
			}
		}
	}
	if err := conn.Flush(); err != nil {
		return fmt.Errorf("write the host ports of the pod %v: %w", pod, err)
	}
	return t.flows.EndOf(former)
}

// exchange removes the elements that lead to pods of which is said so, and adds
// those that are wanted. It tells whether UDP ports went.
func (h half) exchange(conn *nft.Conn, set *nft.Set, wanted []nft.SetElement, of func(netip.Addr) bool) (udp bool, err error) {
	have, err := elements(conn, set)
	if err != nil {
		return false, err
	}
	keys := make(map[string]bool, len(wanted))
	for _, e := range wanted {
		keys[string(e.Key)] = true
	}
	var gone []nft.SetElement
	for _, e := range have {
		address := h.podOf(set, e)
		if !of(address) && !keys[string(e.Key)] {
			continue
		}
		gone = append(gone, nft.SetElement{Key: e.Key})
		udp = udp || !keys[string(e.Key)] && e.Key[len(e.Key)-8] == unix.IPPROTO_UDP
	}
	if len(gone) > 0 {
		if err := conn.SetDeleteElements(set, gone); err != nil {
			return false, err
		}
	}
	if len(wanted) > 0 {
		err = conn.SetAddElements(set, wanted)
	}
	return udp, err
}

// elements are those of a set, none where its table is not there: a node without
// addresses of a family has none for it.
func elements(conn *nft.Conn, set *nft.Set) ([]nft.SetElement, error) {
	// Asked apart, as the error of a set that is not there tells nothing but words.
	tables, err := conn.ListTablesOfFamily(set.Table.Family)
	if err != nil {
		return nil, fmt.Errorf("list the tables of nftables: %w", err)
	}
	if !slices.ContainsFunc(tables, func(t *nft.Table) bool { return t.Name == set.Table.Name }) {
		return nil, nil
	}
	return conn.GetSetElements(set)
}

// ledTo are the elements of pods-on for a pod's ports of one address.
func (h half) ledTo(pod netip.Addr, on []nft.SetElement) (out []nft.SetElement) {
	for _, e := range on {
		out = append(out, nft.SetElement{Key: slices.Concat(pod.AsSlice(), e.Key[4*h.words:])})
	}
	return out
}

// podOf is the pod that an element is about.
func (h half) podOf(set *nft.Set, e nft.SetElement) netip.Addr {
	from := e.Key
	if set.IsMap {
		from = e.Val
	}
	pod, _ := netip.AddrFromSlice(from[:4*h.words])
	return pod
}

// keepOnly takes the ports of all but these pods back: those that ended while no
// agent ran.
func (t tables) keepOnly(pods map[netip.Addr]bool) error {
	conn, err := connect()
	if err != nil {
		return err
	}
	for _, v6 := range []bool{false, true} {
		h := t.half(v6)
		for _, set := range []*nft.Set{h.on, h.ports, h.back} {
			if _, err := h.exchange(conn, set, nil, func(a netip.Addr) bool { return !pods[a] }); err != nil {
				return fmt.Errorf("host ports of former pods: %w", err)
			}
		}
	}
	if err := conn.Flush(); err != nil {
		return fmt.Errorf("remove the host ports of former pods: %w", err)
	}
	return nil
}

func portBytes(p uint16) []byte { return []byte{byte(p >> 8), byte(p), 0, 0} }
