package api

import (
	"context"
	"iter"

	"segno/cli/api/history"
	"segno/events"
	"segno/proto"
)

// Wanted chooses among the events of a transaction by what can be told without
// reading an object.
type Wanted = func(*proto.Envelope, *proto.Event) bool

// Past is what happened to many objects. Sequences belong to the stream.
type Past interface {
	// First is the oldest transaction of the stream that can be read; 0 when there
	// is no such stream.
	First(stream string) proto.Seq
	// Changes yields what the transactions from and to, both included, did to
	// objects with a wanted event, in order; follow goes on with what happens until
	// ctx ends. The last thing it yields may be an error.
	Changes(ctx context.Context, stream string, from, to proto.Seq, follow bool, wanted Wanted) iter.Seq2[history.Step, error]
	// Between yields each object with a wanted event that changed behind from, up
	// to and including to: as it was then, and then. The last thing it yields may be
	// an error.
	Between(ctx context.Context, stream string, from, to proto.Seq, wanted Wanted) iter.Seq2[history.Difference, error]
}

// scope is the objects that a question about many means, as far as its user may
// list them.
type scope struct {
	kind      *events.Kind // any of the stream
	namespace string       // "" is everywhere
	resources map[proto.Resource]bool
}

func (s scope) has(key proto.ObjectKey) bool {
	return s.resources[key.Resource] && (s.namespace == "" || s.namespace == key.Namespace)
}

// scoped reads the kind and the namespace that the parameters name, and makes
// sure that the user may list what is there. Kinds that nobody named and the
// user may not list are left out, with a warning.
func (c *call) scoped() (scope, error) {
	if c.api.cfg.Past == nil {
		return scope{}, notServed()
	}
	query := c.r.URL.Query()
	s := scope{namespace: query.Get("namespace"), resources: map[proto.Resource]bool{}}
	if name := query.Get("resource"); name != "" {
		resource := proto.Resource{Group: query.Get("group"), Name: name}
		if s.kind = c.api.cfg.Table.Of(resource); s.kind == nil {
			return s, badRequest("resource %q: there is none of that name", resource)
		}
		if !s.kind.Namespaced && s.namespace != "" {
			return s, badRequest("%s are in no namespace: ask without the parameter namespace", resource)
		}
		s.resources[resource] = true
		c.target = s.target(s.kind, c.target.Path)
		return s, c.authorize()
	}
	s.kind = c.kindIn(proto.StreamEvents)
	var refused []string
	var refusal error
	for _, kind := range c.api.cfg.Table.All() {
		if kind.Stream != proto.StreamEvents || s.namespace != "" && !kind.Namespaced {
			continue
		}
		target := s.target(kind, c.target.Path)
		allowed, reason, err := c.api.cfg.Authorizer.Authorize(c.r.Context(), c.user, target)
		switch {
		case err != nil:
			return s, err
		case allowed:
			s.resources[kind.Resource] = true
		default:
			refused, refusal = append(refused, kind.Resource.String()), forbidden(c.user, target, reason)
		}
	}
	if len(s.resources) == 0 {
		return s, refusal
	}
	for _, name := range refused {
		c.warn(name + " are left out: you may not list them")
	}
	return s, nil
}

func (s scope) target(kind *events.Kind, path string) Target {
	return Target{
		Verb: verbList, Group: kind.Resource.Group, Version: kind.GVK.Version, Namespace: s.namespace,
		Resource: kind.Resource.Name, Path: path,
	}
}
