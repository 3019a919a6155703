package events

import (
	"slices"

	"segno/proto"
)

// listing is one List of an Overlay: base items and pending ones, merged.
type listing struct {
	overlay *Overlay
	kind    *Kind
	query   Query
	keys    []proto.ObjectKey // pending ones in the query's range, in key order
}

func (l *listing) page(of map[proto.ObjectKey]pending) (Page, error) {
	for key := range of {
		if l.inRange(key) {
			l.keys = append(l.keys, key)
		}
	}
	slices.SortFunc(l.keys, CompareKeys)

	// Each pending key can hide at most one base item: with that many more
	// the page cannot come out short.
	ask := l.query
	if ask.Limit > 0 {
		ask.Limit += len(l.keys) + 1
	}
	base, err := l.overlay.base.List(ask)
	if err != nil {
		return Page{}, err
	}
	items := l.merge(base.Items, of, base.Next)
	cut := items
	if l.query.Limit > 0 {
		cut = items[:min(l.query.Limit, len(items))]
	}
	page := Page{Items: cut, Next: base.Next, Remaining: -1}
	switch left := len(items) - len(cut); {
	case left > 0:
		next := l.kind.KeyOf(cut[len(cut)-1])
		page.Next = &next
		page.Remaining, err = l.remaining(left, base, of)
	case base.Next != nil:
		page.Remaining, err = l.remaining(0, base, of)
	default:
		page.Remaining = 0
	}
	return page, err
}

// inRange tells whether a key can be on this page or behind it.
func (l *listing) inRange(key proto.ObjectKey) bool {
	if l.query.Namespace != "" && key.Namespace != l.query.Namespace {
		return false
	}
	return l.query.After == (proto.ObjectKey{}) || CompareKeys(key, l.query.After) > 0
}

// merge lays the pending objects over the base items. Where the base has more
// behind its page, pending ones from there on belong to later pages.
func (l *listing) merge(base []Object, of map[proto.ObjectKey]pending, end *proto.ObjectKey) []Object {
	out := make([]Object, 0, len(base)+len(l.keys))
	keys := l.keys
	take := func() {
		if p := of[keys[0]]; p.obj != nil && l.query.Matches(l.kind, p.obj) {
			out = append(out, p.obj)
		}
		keys = keys[1:]
	}
	for _, item := range base {
		at := l.kind.KeyOf(item)
		for len(keys) > 0 && CompareKeys(keys[0], at) < 0 {
			take()
		}
		if len(keys) > 0 && keys[0] == at {
			take()
			continue
		}
		out = append(out, item)
	}
	for len(keys) > 0 && (end == nil || CompareKeys(keys[0], *end) <= 0) {
		take()
	}
	return out
}

// remaining counts what is left behind the page, when that can be known: the
// merged items cut off, what the base has behind its page, and the pending
// changes there.
func (l *listing) remaining(left int, base Page, of map[proto.ObjectKey]pending) (int64, error) {
	if l.query.Selective() || base.Next != nil && base.Remaining < 0 {
		return -1, nil
	}
	count := int64(left)
	if base.Next == nil {
		return count, nil
	}
	count += base.Remaining
	for _, key := range l.keys {
		if CompareKeys(key, *base.Next) <= 0 {
			continue
		}
		was, err := l.overlay.base.Get(key)
		if err != nil {
			return 0, err
		}
		switch is := of[key].obj; {
		case was == nil && is != nil:
			count++
		case was != nil && is == nil:
			count--
		}
	}
	return count, nil
}
