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

// ParseMoment reads a point of the past: a sequence ("1042"), a clock time
// ("2026-11-23T10:00:00Z") or how long ago ("10m").
func ParseMoment(text string, now time.Time) (Moment, error) {
	if seq, err := proto.ParseSeq(text); err == nil && text != "" {
		if seq == 0 {
			return Moment{}, badRequest("moment %q: sequences start at 1", text)
		}
		return Moment{Seq: seq}, nil
	}
	if ago, err := time.ParseDuration(text); err == nil {
		if ago < 0 {
			return Moment{}, badRequest("moment %q: lies in the future", text)
		}
		return Moment{Time: now.Add(-ago)}, nil
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05"} {
		at, err := time.Parse(layout, text)
		if err != nil {
			continue
		}
		if at.After(now) {
			return Moment{}, badRequest("moment %q: lies in the future; it is %s", text, now.UTC().Format(time.RFC3339))
		}
		return Moment{Time: at}, nil
	}
	return Moment{}, badRequest("moment %q: must be a sequence (1042), a time (2026-11-23T10:00:00Z) or how long ago (10m)", text)
}

// travel takes the moment off the path. The past can only be read.
func (c *call) travel(rest string) error {
	text, path, _ := strings.Cut(rest, "/")
	if escaped, err := url.PathUnescape(text); err == nil {
		text = escaped
	}
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

// asksOnly tells whether the request is a question in the form of a POST.
func asksOnly(r *http.Request) bool {
	t, ok := targetOf(r)
	return ok && aboutSelf(t)
}
