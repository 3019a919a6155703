package api

import (
	"net/http"
	"net/url"
	"strings"
	"time"

	"segno/proto"
)

// atPrefix starts the path of every request about the past:
// /at/<moment>/<the path as of then>.
const atPrefix = "/at/"

// clockForms are the ways to write a clock time: with a zone or in UTC as
// machines do, and in the zone of the clock as segno prints times, where a time
// without a date is one of today.
var (
	exactForms = []string{time.RFC3339Nano, "2006-01-02T15:04:05"}
	printForms = []string{time.DateTime, "2006-01-02 15:04"}
	todayForms = []string{time.TimeOnly, "15:04"}
)

// ParseMoment reads a point of the past: a sequence ("1042"), how long ago
// ("10m", "3d", "1w"), "now", or a clock time: "2026-11-23T10:00:00Z", or, in the
// zone of now, "2026-11-23 10:00:00", or "10:00" of today.
func ParseMoment(text string, now time.Time) (Moment, error) {
	if seq, err := proto.ParseSeq(text); err == nil && text != "" {
		if seq == 0 {
			return Moment{}, badRequest("moment %q: sequences start at 1", text)
		}
		return Moment{Seq: seq}, nil
	}
	if text == "now" {
		return Moment{Time: now}, nil
	}
	if ago, ok := ParseDuration(text); ok {
		if ago < 0 {
			return Moment{}, badRequest("moment %q: lies in the future", text)
		}
		return Moment{Time: now.Add(-ago)}, nil
	}
	at, ok := parseClock(text, now)
	switch {
	case !ok:
		return Moment{}, badRequest("moment %q: must be a sequence (1042), how long ago (10m, 2h, 3d, 1w), now, or a time (2026-11-23T10:00:00Z; as printed: \"2026-11-23 10:00:00\"; of today: 10:00 or 10:00:30)", text)
	case at.After(now):
		return Moment{}, badRequest("moment %q: lies in the future; it is %s", text, now.Format(time.RFC3339))
	default:
		return Moment{Time: at}, nil
	}
}

// parseClock reads a clock time. Fractions of a second are taken in every form
// that has seconds.
func parseClock(text string, now time.Time) (at time.Time, ok bool) {
	for _, form := range exactForms {
		if at, err := time.Parse(form, text); err == nil {
			return at, true
		}
	}
	for _, form := range printForms {
		if at, err := time.ParseInLocation(form, text, now.Location()); err == nil {
			return at, true
		}
	}
	for _, form := range todayForms {
		if at, err := time.Parse(form, text); err == nil {
			y, m, d := now.Date()
			return time.Date(y, m, d, at.Hour(), at.Minute(), at.Second(), at.Nanosecond(), now.Location()), true
		}
	}
	return at, false
}

// travel takes the moment off the path. The past can only be read.
func (c *call) travel(rest string) error {
	text, path, _ := strings.Cut(rest, "/")
	if escaped, err := url.PathUnescape(text); err == nil {
		text = escaped
	}
	c.trace.at = printable(text, maxAgent)
	moment, err := ParseMoment(text, c.api.cfg.Now())
	if err != nil {
		return err
	}
	c.r = c.r.Clone(c.r.Context())
	c.r.URL.Path, c.r.URL.RawPath = "/"+path, ""
	c.past = &moment
	if c.r.Method != http.MethodGet && c.r.Method != http.MethodHead && !asksOnly(c.r) {
		return statusText(http.StatusMethodNotAllowed, "MethodNotAllowed",
			"the past is read-only: %s of %s as of %s is not possible", strings.ToLower(c.r.Method), c.r.URL.Path, text)
	}
	return nil
}

// asksOnly tells whether the request is a question in the form of a POST, or
// makes something of the past that leaves it as it is.
func asksOnly(r *http.Request) bool {
	t, ok := targetOf(r)
	return ok && (aboutSelf(t) || t.Group == historyGroup && t.Verb == verbCreate && beginsThen[t.Resource])
}

// beginsThen are the questions that begin a cluster of its own at a moment.
var beginsThen = map[string]bool{"whatif": true, "forks": true}
