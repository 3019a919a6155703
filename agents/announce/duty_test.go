package announce

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// A script of what happens to one address, and what its node does.
func TestS5WhatANodeOwesAnAddress(t *testing.T) {
	address := netip.MustParseAddr("192.0.2.7")
	begin := time.Unix(1000, 0)
	for name, c := range map[string]struct{ script, want string }{
		"announced in a burst, then now and then": {
			"0 take, 0 due, 0.5 due, 1 due, 2 due, 3 due, 32 due", "true, false, true, true, false, true",
		},
		"taken twice is one duty":         {"0 take, 0 due, 0.1 take, 0.1 due", "true, false"},
		"nobody else's is answered":       {"0 answers, 0 take, 0 answers, 1 drop, 1 answers, 1 rival", "false, true, false, 0"},
		"defended, at most once a second": {"0 take, 1 rival, 1.5 rival, 2 rival, 2 answers", "1, 0, 1, true"},
		"out of touch, defended once":     {"0 take, 0 lost, 1 rival, 1 answers, 2 rival, 2 answers, 3 rival, 2 due", "1, true, 2, false, 0, false"},
		"a rival now and then is no match for one who is out of touch": {
			"0 take, 0 lost, 1 rival, 12 rival, 12 answers", "1, 1, true",
		},
		"who gave way comes back when it is in touch": {
			"0 take, 0 due, 0 lost, 1 rival, 2 rival, 9 due, 10 found, 10 due, 10 answers", "true, 1, 2, false, true, true",
		},
		"or when nobody announces any more": {
			"0 take, 0 lost, 1 rival, 2 rival, 50 rival, 100 due, 141 due, 141 answers", "1, 2, 0, false, true, true",
		},
	} {
		d, touch := duties{}, true
		var got []string
		for step := range strings.SplitSeq(c.script, ", ") {
			var at float64
			var what string
			if _, err := fmt.Sscan(step, &at, &what); err != nil {
				t.Fatal(err)
			}
			now := begin.Add(time.Duration(at * float64(time.Second)))
			switch what {
			case "take":
				d.set([]netip.Addr{address}, now)
			case "drop":
				d.set(nil, now)
			case "lost", "found":
				touch = what == "found"
			case "due":
				got = append(got, fmt.Sprint(len(d.due(now, touch)) == 1))
			case "answers":
				got = append(got, fmt.Sprint(d.answers(address)))
			case "rival":
				got = append(got, fmt.Sprint(int(d.heard(address, now, touch))))
			}
		}
		if said := strings.Join(got, ", "); said != c.want {
			t.Errorf("%s: %s, want %s", name, said, c.want)
		}
	}
}

// Two nodes that both are cut off do not both give way.
func TestS5OfTwoNodesThatAreCutOffOneAnnounces(t *testing.T) {
	address := netip.MustParseAddr("192.0.2.7")
	one, two := duties{}, duties{}
	now := time.Unix(1000, 0)
	one.set([]netip.Addr{address}, now)
	two.set([]netip.Addr{address}, now)
	for range 600 {
		for _, pair := range [][2]duties{{one, two}, {two, one}} {
			from, to := pair[0], pair[1]
			says := len(from.due(now, false)) > 0
			for n := 0; says; n++ { // until nobody defends any more
				if n > 10 {
					t.Fatal("they defend for ever")
				}
				says = to.heard(address, now, false) == defend
				from, to = to, from
			}
		}
		now = now.Add(time.Second)
		if now.Unix() > 1010 && one.answers(address) == two.answers(address) {
			t.Fatalf("after %s: both announce it, or neither does: %t", now.Sub(time.Unix(1000, 0)), one.answers(address))
		}
	}
}
