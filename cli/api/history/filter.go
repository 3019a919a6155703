package history

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"segno/proto"
)

// Filter chooses among revisions. Zero fields let everything through.
type Filter struct {
	Actor proto.Actor
	// Reason is that of one of the object's events, what a container waits for, or
	// one that its status came to give: of a condition, of how a container ended.
	Reason string
	Field  Field
}

// Field is the path of a field as Change has it: that field, or anything below
// it.
type Field string

// ParseField reads a path as people write it: .spec.replicas, with or without
// the first dot.
func ParseField(text string) (Field, error) {
	path := strings.TrimPrefix(text, ".")
	switch {
	case text == "":
		return "", nil
	case path == "" || strings.Contains(path, "..") || strings.HasSuffix(path, "."):
		return "", fmt.Errorf("field %q: must be a path such as .spec.replicas", text)
	}
	open := 0
	for _, r := range path {
		switch {
		case r == '[':
			open++
		case r == ']':
			open--
		case r < ' ':
			return "", fmt.Errorf("field %q: must be a path such as .spec.replicas", text)
		}
		if open < 0 || open > 1 {
			break
		}
	}
	if open != 0 {
		return "", fmt.Errorf("field %q: brackets must match, as in .spec.template.spec.containers[web].image", text)
	}
	return Field(path), nil
}

// covers tells whether a changed path is the field or lies below it; or above
// it, where a list changed as a whole.
func (f Field) covers(path string) bool {
	rest, below := strings.CutPrefix(path, string(f))
	if below && (rest == "" || rest[0] == '.' || rest[0] == '[') {
		return true
	}
	rest, above := strings.CutPrefix(string(f), path)
	return above && strings.HasPrefix(rest, "[")
}

func (f Filter) actor(actor proto.Actor) bool { return f.Actor == "" || f.Actor == actor }

// reasons tells whether the events, or what the status came to give, have the
// reason.
func (f Filter) reasons(all []Event, changes []Change) bool {
	if f.Reason == "" || slices.ContainsFunc(all, f.event) {
		return true
	}
	given, err := json.Marshal(f.Reason)
	return err == nil && slices.ContainsFunc(changes, func(c Change) bool {
		return strings.HasPrefix(c.Path, "status.") && strings.HasSuffix(c.Path, reasonField) && bytes.Equal(c.New, given)
	})
}

// reasonField is how the path of a reason in a status ends.
const reasonField = ".reason"

func (f Filter) event(ev Event) bool {
	return ev.Reason == f.Reason || slices.Contains(strings.Split(ev.Detail, ","), f.Reason)
}

func (f Filter) fields(changes []Change) bool {
	return f.Field == "" || slices.ContainsFunc(changes, func(c Change) bool { return f.Field.covers(c.Path) })
}

// Wants tells by an event alone whether its object's revision may be kept: what
// is refused here need not be read. A status that names the reason somewhere may
// have come to give it.
func (f Filter) Wants(env *proto.Envelope, ev *proto.Event) bool {
	if !f.actor(env.Actor) {
		return false
	}
	return f.Reason == "" || ev.Reason == f.Reason ||
		ev.Section == proto.SectionStatus && bytes.Contains(ev.Body, []byte(f.Reason))
}

var errActor = errors.New("must be user:NAME, node:NAME, system:COMPONENT or join:TOKEN, as the column ACTOR shows it")

// ParseActor reads an actor as it is printed.
func ParseActor(text string) (proto.Actor, error) {
	if text == "" {
		return "", nil
	}
	sort, name, _ := strings.Cut(text, ":")
	if name == "" || !slices.Contains([]string{"user", "node", "system", "join"}, sort) {
		return "", fmt.Errorf("actor %q: %w", text, errActor)
	}
	return proto.Actor(text), nil
}
