package api

import (
	"net/http"

	"segno/events"
)

// create makes a new object from the body.
func (c *call) create() error {
	a, opts, obj, err := c.given("CreateOptions")
	if err != nil {
		return err
	}
	out, err := c.submit(c.r.Context(), events.Create{
		Key:        c.kind.Resource.Key(obj.GetNamespace(), obj.GetName()),
		Object:     obj,
		UID:        newUID(),
		NameSuffix: newSuffix(),
	}, opts.dryRun)
	if err != nil {
		return err
	}
	c.advise(out.Object, nil)
	return c.answerObject(http.StatusCreated, out.Object, c.api.cfg.Now(), a)
}

// update replaces the object, or a part of it.
func (c *call) update() error {
	a, opts, obj, err := c.given("UpdateOptions")
	if err != nil {
		return err
	}
	switch obj.GetName() {
	case c.target.Name:
	case "":
		return badRequest("name must be provided")
	default:
		return badRequest("the name of the object (%s) does not match the name on the URL (%s)", obj.GetName(), c.target.Name)
	}
	before, err := c.before()
	if err != nil {
		return err
	}
	out, err := c.submit(c.r.Context(), events.Update{Key: c.key(), Subresource: c.target.Subresource, Object: obj}, opts.dryRun)
	if err != nil {
		return err
	}
	c.advise(out.Object, before)
	return c.answerOutcome(out, a)
}

// given is what a request that carries a whole object brings: how to answer, how
// to write, and the object, in the namespace of the path.
func (c *call) given(kind string) (a accept, opts writeOptions, obj events.Object, err error) {
	if a, err = c.shape(asTable, asPartial); err != nil {
		return a, opts, nil, err
	}
	if opts, err = c.writeOptions(kind); err != nil {
		return a, opts, nil, err
	}
	if obj, err = c.decodeObject(opts); err != nil {
		return a, opts, nil, err
	}
	c.trace.name = obj.GetName()
	return a, opts, obj, c.place(obj)
}

// answerOutcome writes the object after a change: 201 when it is new.
func (c *call) answerOutcome(out events.Outcome, a accept) error {
	code := http.StatusOK
	if out.Created {
		code = http.StatusCreated
	}
	return c.answerObject(code, out.Object, c.api.cfg.Now(), a)
}
