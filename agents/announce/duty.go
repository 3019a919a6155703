package announce

import (
	"net/netip"
	"slices"
	"time"
)

const (
	// burst is how often an address is announced when a node takes it over, a
	// second apart: neighbours may miss one, or be slow to believe.
	burst      = 3
	burstPause = time.Second
	// refresh is how often it is announced afterwards: switches forget.
	refresh = 30 * time.Second
	// defence is how long a node that is out of touch defends an address only
	// once (RFC 5227), and defendPause how soon one in touch does so again.
	defence     = 10 * time.Second
	defendPause = time.Second
	// silence is after how long without a rival a node that gave way and is still
	// out of touch takes the address up again.
	silence = 3 * refresh
)

// duties are the addresses that this node announces. Only one node does, by what
// all nodes know; but a node that is cut off from the control plane may know old
// things. So who hears another announce the same address defends it, unless it is
// out of touch: then it does so once, and gives way.
type duties map[netip.Addr]*duty

type duty struct {
	said     int       // how often since it was taken over
	next     time.Time // when it is announced next
	defended time.Time
	rival    time.Time // last heard of
	gaveWay  bool
}

// set makes these the duties; new ones are announced at once.
func (d duties) set(addresses []netip.Addr, now time.Time) (taken, left []netip.Addr) {
	for address := range d {
		if !slices.Contains(addresses, address) {
			left = append(left, address)
			delete(d, address)
		}
	}
	for _, address := range addresses {
		if d[address] == nil {
			taken = append(taken, address)
			d[address] = &duty{next: now}
		}
	}
	slices.SortFunc(left, netip.Addr.Compare)
	return taken, left
}

// answers tells whether this node speaks for the address.
func (d duties) answers(address netip.Addr) bool {
	is := d[address]
	return is != nil && !is.gaveWay
}

// due are the addresses to announce now, in order.
func (d duties) due(now time.Time, inTouch bool) (out []netip.Addr) {
	for address, is := range d {
		if is.gaveWay {
			if !inTouch && now.Sub(is.rival) < silence {
				continue
			}
			*is = duty{next: now}
		}
		if is.next.After(now) {
			continue
		}
		out = append(out, address)
		is.said++
		is.next = now.Add(refresh)
		if is.said < burst {
			is.next = now.Add(burstPause)
		}
	}
	slices.SortFunc(out, netip.Addr.Compare)
	return out
}

// next is when something is due; zero is never.
func (d duties) next() (next time.Time) {
	for _, is := range d {
		at := is.next
		if is.gaveWay {
			at = is.rival.Add(silence)
		}
		if next.IsZero() || at.Before(next) {
			next = at
		}
	}
	return next
}

// verdict is what a node does about a rival.
type verdict int

const (
	ignore verdict = iota
	defend
	giveWay
)

// unheard tells whether no rival was heard of lately: a new one is news.
func (d duties) unheard(address netip.Addr, now time.Time) bool {
	is := d[address]
	return is != nil && now.Sub(is.rival) > silence
}

// heard decides what to do about another machine that announces the address.
func (d duties) heard(address netip.Addr, now time.Time, inTouch bool) verdict {
	is := d[address]
	if is == nil {
		return ignore
	}
	is.rival = now
	since := now.Sub(is.defended)
	switch {
	case is.gaveWay || inTouch && since < defendPause:
		return ignore
	case !inTouch && since < defence:
		is.gaveWay = true
		return giveWay
	default:
		is.defended = now
		return defend
	}
}
