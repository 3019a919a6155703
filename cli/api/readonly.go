package api

import (
	"net/http"
	"strings"
)

// writable refuses what changes something, or needs a container, where there is
// only a record of what was.
func (c *call) writable() error {
	name := c.api.cfg.ReadOnly
	if name == "" || c.reads() || asksOnly(c.r) || c.plans() {
		return nil
	}
	return statusText(http.StatusMethodNotAllowed, "MethodNotAllowed",
		"%s is an opened incident: it can only be read, %s of %s is not possible", name, c.target.Verb, c.what())
}

// reads tells whether the request is answered from the logs alone.
func (c *call) reads() bool {
	if c.r.Method != http.MethodGet && c.r.Method != http.MethodHead {
		return false
	}
	_, streams := relayPaths[c.target.Subresource]
	return !streams
}

// plans tells whether the request may ask for a plan alone; to carry it out
// is refused where it would be submitted.
func (c *call) plans() bool {
	t := c.target
	return t.Group == historyGroup && t.Verb == verbCreate && (t.Resource == "undo" || t.Resource == "restore")
}

// what names what the request is about.
func (c *call) what() string {
	t := c.target
	if t.Resource == "" {
		return t.Path
	}
	words := []string{t.Resource}
	if t.Name != "" {
		words = append(words, t.Name)
	}
	if t.Subresource != "" {
		words = append(words, t.Subresource)
	}
	return strings.Join(words, "/")
}
