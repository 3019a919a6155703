package commands

import (
	"context"
	"net/http"
	"time"
)

// headerNow is how the API says what its clock shows.
const headerNow = "Segno-Now"

// clockPatience is how long a server may take to say what time it is.
const clockPatience = 5 * time.Second

// now is the time that ages and clock times count from: the server's. A fork has a
// clock of its own, and an opened incident stands still at its end. Where no server
// tells, it is that of this machine.
func (c *client) now() time.Time {
	if c.clock.Load() == nil {
		c.askClock()
	}
	if at := c.clock.Load(); at != nil {
		return at.Local()
	}
	return time.Now()
}

// askClock asks for anything, for what comes with the answer. That there is none
// is told of by the question that it is for.
func (c *client) askClock() {
	at := c.at
	c.at = "" // which may not be a moment that a server understands yet
	defer func() { c.at = at }()
	if c.reachable() != nil {
		return
	}
	clients, err := c.clients()
	if err != nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), clockPatience)
	defer cancel()
	clients.RESTClient().Get().AbsPath("/version").MaxRetries(0).Do(ctx)
}

// hear notes what the server's clock shows.
func (c *client) hear(answer *http.Response) {
	if at, err := time.Parse(time.RFC3339Nano, answer.Header.Get(headerNow)); err == nil {
		c.clock.Store(&at)
	}
}

// commandHeader carries the command line into the log, where history shows it, and
// lets the answer be heard.
type commandHeader struct {
	next    http.RoundTripper
	command string
	hear    func(*http.Response)
}

// headerCommand is how the API learns what a person typed.
const headerCommand = "Segno-Command"

func (h commandHeader) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set(headerCommand, h.command)
	answer, err := h.next.RoundTrip(r)
	if err == nil {
		h.hear(answer)
	}
	return answer, err
}
