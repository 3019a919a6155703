package announce

import (
	"net/netip"
	"time"
)

const (
	// trialProbes are sent before an address is claimed, trialPause apart, and
	// trialPause is waited after the last one: who takes over from a failed node
	// does so within a second.
	trialProbes = 3
	trialPause  = 100 * time.Millisecond
	// trialAgain is when an address that a stranger has is tried again.
	trialAgain = 5 * time.Second
)

// spot is an address on a link.
type spot struct {
	address netip.Addr
	index   int
}

// trials find out whether somebody has an address already, who is no node, before
// this node claims it (as RFC 5227 asks). A node that has it gives way by itself.
type trials map[spot]*trial

type trial struct {
	sent   int       // probes
	next   time.Time // when the next one is sent, or the address is free
	free   bool
	warned bool // people know that a stranger has it
}

// set makes these the spots at which addresses are announced, if they are free.
func (t trials) set(spots map[spot]bool, now time.Time) {
	for where := range t {
		if !spots[where] {
			delete(t, where)
		}
	}
	for where := range spots {
		if t[where] == nil {
			t[where] = &trial{next: now}
		}
	}
}

// due are the spots to probe now; freed tells whether others were found free.
func (t trials) due(now time.Time) (probe []spot, freed bool) {
	for where, is := range t {
		switch {
		case is.free || is.next.After(now):
		case is.sent < trialProbes:
			probe = append(probe, where)
		default:
			is.free, is.warned, freed = true, false, true
		}
	}
	return probe, freed
}

// probed notes whether a probe was sent; without, it is tried again later.
func (t trials) probed(where spot, sent bool, now time.Time) {
	is := t[where]
	if is == nil {
		return
	}
	if !sent {
		is.next = now.Add(trialAgain)
		return
	}
	is.sent++
	is.next = now.Add(trialPause)
}

// heard notes that a stranger has the address; news is that people do not know.
func (t trials) heard(where spot, now time.Time) (news bool) {
	is := t[where]
	if is == nil || is.free {
		return false
	}
	news, is.warned = !is.warned, true
	is.sent, is.next = 0, now.Add(trialAgain)
	return news
}

// next is when something is due; zero is never.
func (t trials) next() (next time.Time) {
	for _, is := range t {
		if !is.free && (next.IsZero() || is.next.Before(next)) {
			next = is.next
		}
	}
	return next
}

// isFree tells whether the address may be announced there.
func (t trials) isFree(where spot) bool {
	is := t[where]
	return is != nil && is.free
}
