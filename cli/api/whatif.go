package api

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"segno/cli/api/history"
	"segno/events"
	"segno/proto"
)

// Supposer plays through what would have happened, in a cluster of its own.
type Supposer interface {
	Suppose(ctx context.Context, s Supposition) (history.WhatIf, error)
}

// Supposition is what a what-if supposes, checked.
type Supposition struct {
	Seq     proto.Seq // of EVENTS: what it goes on from
	Time    time.Time // when its clock begins
	Objects []Supposed
	Gone    []proto.NodeName // vanish
	For     time.Duration
	Actor   proto.Actor
	Via     string
}

// Supposed is an object to apply.
type Supposed struct {
	Kind     *events.Kind
	Object   events.Object
	Manifest []byte // the same as JSON, as it was written
}

// Bounds of a what-if.
const (
	usualSpan    = 10 * time.Minute
	longestSpan  = 7 * 24 * time.Hour
	mostSupposed = 1000
)

// whatIf answers what would have happened after a moment.
func (c *call) whatIf() error {
	if c.api.cfg.Supposer == nil {
		return notServed()
	}
	asked := history.Supposition{}
	if err := c.question(&asked); err != nil {
		return err
	}
	s, err := c.suppose(asked)
	if err != nil {
		return err
	}
	if s.Seq, s.Time, err = c.moment(); err != nil {
		return err
	}
	answer, err := c.api.cfg.Supposer.Suppose(c.r.Context(), s)
	if err != nil {
		return err
	}
	return c.sendJSON(answer)
}

// moment is the one that the path names, or now. From before the log begins nothing
// can go on.
func (c *call) moment() (proto.Seq, time.Time, error) {
	at := Moment{Time: c.api.cfg.Now()}
	if c.past != nil {
		at = *c.past
	}
	seq, then, err := c.api.cfg.Store.Resolve(c.r.Context(), c.kindIn(proto.StreamEvents), at)
	if err == nil && seq == 0 && c.past != nil {
		return 0, then, c.beforeLog(then.UTC().Format(time.RFC3339))
	}
	return seq, then, err
}

func (c *call) suppose(asked history.Supposition) (Supposition, error) {
	s := Supposition{For: usualSpan, Actor: c.user.Actor(), Via: via(c.r)}
	if asked.For != "" {
		var err error
		if s.For, err = time.ParseDuration(asked.For); err != nil {
			return s, badRequest("for %q: must be a duration such as 10m", asked.For)
		}
	}
	if s.For < 0 || s.For > longestSpan {
		return s, badRequest("for %s: must be between 0 and %s", s.For, longestSpan)
	}
	if len(asked.Objects)+len(asked.RemoveNodes) > mostSupposed {
		return s, badRequest("%d objects and nodes: at most %d can be supposed at once", len(asked.Objects)+len(asked.RemoveNodes), mostSupposed)
	}
	for i, raw := range asked.Objects {
		one, err := c.supposed(raw)
		if err != nil {
			return s, within(err, i)
		}
		s.Objects = append(s.Objects, one)
	}
	for _, name := range asked.RemoveNodes {
		s.Gone = append(s.Gone, proto.NodeName(name))
	}
	return s, nil
}

func (c *call) supposed(raw json.RawMessage) (Supposed, error) {
	var meta metav1.TypeMeta
	if err := json.Unmarshal(raw, &meta); err != nil {
		return Supposed{}, badRequest("it is no object: %s", misread(err))
	}
	kind := c.api.cfg.Table.ForKind(schema.FromAPIVersionAndKind(meta.APIVersion, meta.Kind))
	if kind == nil || kind.Stream != proto.StreamEvents {
		return Supposed{}, badRequest("kind %q of %q cannot be applied here; those that can: segno api-resources", meta.Kind, meta.APIVersion)
	}
	obj, warnings, err := events.DecodeBody(kind, typeJSON, raw, events.ValidateStrict)
	if err != nil {
		return Supposed{}, err
	}
	c.warn(warnings...)
	switch {
	case !kind.Namespaced:
		obj.SetNamespace("")
	case obj.GetNamespace() == "":
		obj.SetNamespace(metav1.NamespaceDefault)
	}
	if obj.GetName() == "" {
		return Supposed{}, badRequest("metadata.name: a name is required: an object is applied by its name")
	}
	return Supposed{Kind: kind, Object: obj, Manifest: raw}, nil
}

// within says which of the supposed objects a refusal is about.
func within(err error, i int) error {
	status := statusOf(err)
	return statusText(max(status.Code, http.StatusBadRequest), status.Reason, "objects[%d]: %s", i, status.Message)
}
