package api

import "segno/events"

// before is the object that a write is about to change, as far as the advice
// needs it; nil when it does not exist, or when its kind has no advice. Another
// write may come between: then a warning comes once more, or once less.
func (c *call) before() (events.Object, error) {
	if c.kind.Warn == nil || c.target.Subresource != "" {
		return nil, nil
	}
	return c.api.cfg.Store.View(c.kind).Get(c.key())
}

// advise warns of what nothing acts on in an object that was accepted.
func (c *call) advise(obj, before events.Object) {
	if c.kind.Warn != nil && c.target.Subresource == "" && obj != nil {
		c.warn(c.kind.Warn(obj, before)...)
	}
}
