package announce

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// A script of what is heard of an address that is to be announced.
func TestS5AnAddressIsTriedBeforeItIsAnnounced(t *testing.T) {
	where := spot{netip.MustParseAddr("192.0.2.7"), 1}
	for name, c := range map[string]struct{ script, want string }{
		"three probes, then it is free":         {"0 due, 0.05 due, 0.1 due, 0.2 due, 0.25 due, 0.3 due, 9 due", "probe, -, probe, probe, -, freed, -"},
		"a stranger has it":                     {"0 due, 0.05 heard, 0.1 due, 5.04 due, 5.05 due, 5.1 heard, 10.1 due", "probe, news, -, -, probe, known, probe"},
		"and leaves":                            {"0 due, 0.05 heard, 5.05 due, 5.15 due, 5.25 due, 5.35 due", "probe, news, probe, probe, probe, freed"},
		"one who comes later is a rival":        {"0 due, 0.1 due, 0.2 due, 0.3 due, 1 heard, 7 due", "probe, probe, probe, freed, known, -"},
		"what cannot be asked for is not taken": {"0 mute, 0.3 due, 5 due, 5.1 due, 5.2 due, 5.3 due", "probe, -, probe, probe, probe, freed"},
		"tried again after it was left":         {"0 due, 0.1 due, 0.2 due, 0.3 due, 1 drop, 2 take, 2 due", "probe, probe, probe, freed, probe"},
	} {
		begin := time.Unix(1000, 0)
		d := trials{}
		d.set(map[spot]bool{where: true}, begin)
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
				d.set(map[spot]bool{where: true}, now)
			case "drop":
				d.set(nil, now)
			case "heard":
				got = append(got, map[bool]string{true: "news", false: "known"}[d.heard(where, now)])
			default:
				probe, freed := d.due(now)
				said := "-"
				if len(probe) == 1 {
					said = "probe"
					d.probed(where, what == "due", now)
				} else if freed {
					said = "freed"
				}
				if got = append(got, said); freed != (said == "freed") || freed && !d.isFree(where) {
					t.Errorf("%s: at %s", name, step)
				}
			}
		}
		if said := strings.Join(got, ", "); said != c.want {
			t.Errorf("%s: %s, want %s", name, said, c.want)
		}
	}
}
