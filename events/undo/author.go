package undo

import (
	"fmt"
	"slices"
	"strings"

	"segno/events"
	"segno/events/fields"
	"segno/proto"
)

// authors are the changes of an object since a transaction, newest first.
type authors []authored

type authored struct {
	Author
	paths []string
}

// authors reads who changed which fields of an object after a transaction. What
// this plan takes back does not count.
func (p *planning) authors(key proto.ObjectKey, since proto.Seq) (out authors, err error) {
	kind := p.Table.Of(key.Resource)
	err = p.versions(key, since, func(seq proto.Seq, before, after events.Object) error {
		if p.undone[seq] || after == nil {
			return nil
		}
		was, err := intent(kind, before)
		if err != nil {
			return err
		}
		is, err := intent(kind, after)
		if err != nil {
			return err
		}
		changes, err := fields.Compare(was, is)
		if err != nil || len(changes) == 0 {
			return err
		}
		author, err := p.authorOf(seq)
		if err != nil {
			return err
		}
		next := authored{Author: author}
		for _, change := range changes {
			next.paths = append(next.paths, change.Path)
		}
		out = append(out, next)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("find who changed %s since %s: %w", key, since, err)
	}
	return out, nil
}

// of is who changed a field last; nil when nobody did.
func (a authors) of(path string) *Author {
	for i := range a {
		if a[i].touches(path) {
			return &a[i].Author
		}
	}
	return nil
}

// person is the person who changed a field last; nil when none did.
func (a authors) person(path string) *Author {
	for i := range a {
		if a[i].Actor.Person() && a[i].touches(path) {
			return &a[i].Author
		}
	}
	return nil
}

func (a *authored) touches(path string) bool {
	return slices.ContainsFunc(a.paths, func(changed string) bool { return inside(changed, path) || inside(path, changed) })
}

// newest is who changed the object last, a person where one did; nil when nobody
// did.
func (a authors) newest() *Author {
	for i := range a {
		if a[i].Actor.Person() {
			return &a[i].Author
		}
	}
	if len(a) == 0 {
		return nil
	}
	return &a[0].Author
}

// inside tells whether a path is another or lies below it.
func inside(path, parent string) bool {
	rest, ok := strings.CutPrefix(path, parent)
	return ok && (rest == "" || rest[0] == '.' || rest[0] == '[')
}
