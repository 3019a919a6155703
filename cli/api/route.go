package api

import (
	"net/http"
	"slices"

	"segno/events"
	"segno/proto"
)

// serveResource finds the kind and hands the request to its verb.
func (c *call) serveResource() error {
	t := c.target
	if handler := reviews[t.Resource+"."+t.Group]; handler != nil && t.Version == "v1" && t.Name == "" {
		if t.Verb != verbCreate {
			return notAllowed(t)
		}
		return handler(c)
	}
	if t.Group == historyGroup {
		return c.serveHistory()
	}
	if t.Group == customKindsGroup && t.Version == "v1" && t.Resource == "customresourcedefinitions" && t.Name == "" && t.Verb == verbList {
		return c.customKinds()
	}
	if t.Group == "" && t.Resource == "bindings" && t.Name == "" && t.Verb == verbCreate {
		c.kind = c.api.cfg.Table.Of(proto.Resource{Name: "pods"})
		return c.bind()
	}
	c.kind = c.api.cfg.Table.Of(proto.Resource{Group: t.Group, Name: t.Resource})
	if c.kind == nil || c.kind.GVK.Version != t.Version || !c.fits() {
		return notServed()
	}
	if t.Subresource != "" {
		return c.serveSubresource()
	}
	return c.serveObjects()
}

// fits tells whether the path has the shape that the kind's scope demands.
func (c *call) fits() bool {
	t := c.target
	if !c.kind.Namespaced {
		return t.Namespace == "" || c.kind.Resource.Name == "namespaces"
	}
	return t.Namespace != "" || (t.Name == "" && t.Subresource == "")
}

func (c *call) serveObjects() error {
	t := c.target
	if t.Namespace == "" && c.kind.Namespaced && t.Verb != verbList && t.Verb != verbWatch && t.Verb != verbDeleteCollection {
		return notAllowed(t)
	}
	switch t.Verb {
	case verbGet:
		return c.get()
	case verbList:
		return c.list()
	case verbWatch:
		return c.watch()
	}
	if t.Name == "" {
		switch t.Verb {
		case verbCreate:
			return c.create()
		case verbDeleteCollection:
			return c.deleteCollection()
		}
		return notAllowed(t)
	}
	switch t.Verb {
	case verbUpdate:
		return c.update()
	case verbPatch:
		return c.patch()
	case verbDelete:
		return c.delete()
	}
	return notAllowed(t)
}

func (c *call) serveSubresource() error {
	t := c.target
	if !serves(c.kind, t.Subresource) {
		return notServed()
	}
	switch t.Subresource {
	case "log", "exec", "attach", "portforward":
		return c.relay()
	case "binding":
		if t.Verb == verbCreate {
			return c.bind()
		}
	case "eviction":
		if t.Verb == verbCreate {
			return c.evict()
		}
	case "scale":
		return c.serveScale()
	default:
		return c.serveSection()
	}
	return notAllowed(t)
}

// serveSection serves the subresources that are the object itself, of which
// only a part may change: status, finalize.
func (c *call) serveSection() error {
	switch c.target.Verb {
	case verbGet:
		return c.get()
	case verbUpdate:
		return c.update()
	case verbPatch:
		return c.patch()
	}
	return notAllowed(c.target)
}

// serves tells whether the kind has the subresource.
func serves(kind *events.Kind, subresource string) bool {
	return (subresource == "status" && kind.HasStatus) || slices.Contains(kind.Subresources, subresource)
}

// public answers the handler of a path that needs no user, or nil.
func (a *API) public(path string) func(*call) error {
	switch path {
	case "/version", "/version/":
		return func(c *call) error { return c.sendJSON(c.api.cfg.Version) }
	case "/livez", "/livez/ping", "/healthz", "/healthz/ping":
		return (*call).alive
	case "/readyz":
		return (*call).ready
	}
	return nil
}

func (c *call) alive() error {
	c.trace.unseen = true
	return c.sendText("ok")
}

func (c *call) ready() error {
	c.trace.unseen = true
	if check := c.api.cfg.Ready; check != nil {
		if err := check(); err != nil {
			return statusText(http.StatusServiceUnavailable, "ServiceUnavailable", "not ready: %s", err)
		}
	}
	return c.sendText("ok")
}
