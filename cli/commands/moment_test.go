package commands

import (
	"testing"
	"time"
)

// TestE6APrintedTimeIsThatMoment: times are printed in the person's own zone, cut
// at their last digit. Given back as --at they mean the state with what happened
// then, and as --from all of it.
func TestE6APrintedTimeIsThatMoment(t *testing.T) {
	now := time.Date(2026, 11, 23, 16, 0, 0, 0, time.FixedZone("", 2*60*60))
	happened := time.Date(2026, 11, 23, 12, 41, 20, 431_900_000, time.UTC)
	for _, printed := range []string{
		happened.In(now.Location()).Format(timeFormat), "2026-11-23 14:41:20.431", "2026-11-23 14:41:20", "14:41:20",
	} {
		at, err := exactMoment(printed, now, true)
		if err != nil {
			t.Fatal(err)
		}
		from, err := exactMoment(printed, now, false)
		if err != nil {
			t.Fatal(err)
		}
		end, begin := instant(t, at), instant(t, from)
		if end.Before(happened) || begin.After(happened) || end.Sub(begin) >= time.Second {
			t.Errorf("%s: from %s to %s", printed, from, at)
		}
	}
	for text, want := range map[string]string{
		"1042": "1042", "10m": "10m", "": "", "2026-11-23T12:00:00": "2026-11-23T12:00:00Z",
		"15:00": "2026-11-23T13:00:00Z", "2026-11-22 15:00": "2026-11-22T13:00:00Z", "now": "now",
	} {
		if got, err := exactMoment(text, now, true); err != nil || got != want {
			t.Errorf("%q: %q, %v; want %q", text, got, err, want)
		}
	}
	if at, err := exactMoment("16:00:00", now, true); err != nil || instant(t, at).After(now) {
		t.Errorf("this very second: %s, %v", at, err)
	}
	if _, err := exactMoment("16:01", now, true); err == nil {
		t.Error("the future is taken for the past")
	}
}

func instant(t *testing.T, text string) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		t.Fatal(err)
	}
	return at
}
