package events

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"

	kjson "sigs.k8s.io/json"
)

// locate finds the field of a JSON document that does not decode into a type:
// "spec.containers[0].resources.limits.cpu". A decoder's own account leaves out
// list places and map keys, and of a type that reads itself (a quantity, a
// time) all of it. "" when it cannot tell.
func locate(data []byte, like any) string {
	var doc any
	if kjson.UnmarshalCaseSensitivePreserveInts(data, &doc) != nil {
		return ""
	}
	s := search{like: reflect.TypeOf(like).Elem(), budget: 4 << 20}
	path := s.find(doc, func(part any) any { return part })
	if s.budget < 0 || path == "" {
		return ""
	}
	if path[0] == '.' {
		return path[1:]
	}
	return path
}

// at is the place of an error for a message, or "".
func at(path string) string {
	if path == "" {
		return ""
	}
	return fmt.Sprintf(" (at %s)", clip(path))
}

// search tries parts of a document alone.
type search struct {
	like   reflect.Type
	budget int // bytes left to try: a hostile document costs no more
}

// find answers the path below node to what cannot be decoded; inside puts a
// part of node where it belongs in the whole document.
func (s *search) find(node any, inside func(part any) any) string {
	switch n := node.(type) {
	case map[string]any:
		if s.fails(inside(map[string]any{})) {
			return "" // no object belongs here, whatever is in it
		}
		for _, key := range slices.Sorted(maps.Keys(n)) {
			within := func(part any) any { return inside(map[string]any{key: part}) }
			if s.fails(within(n[key])) {
				return "." + key + s.find(n[key], within)
			}
		}
	case []any:
		if s.fails(inside([]any{})) {
			return ""
		}
		within := func(part any) any { return inside([]any{part}) }
		for i, item := range n {
			if s.fails(within(item)) {
				return fmt.Sprintf("[%d]", i) + s.find(item, within)
			}
		}
	}
	return ""
}

func (s *search) fails(doc any) bool {
	data, err := json.Marshal(doc)
	if s.budget -= len(data); err != nil || s.budget < 0 {
		return false
	}
	return kjson.UnmarshalCaseSensitivePreserveInts(data, reflect.New(s.like).Interface()) != nil
}
