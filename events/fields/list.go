package fields

import "fmt"

// names are the fields that tell elements of a list apart, the likeliest first.
var names = []string{"name", "type", "uid", "ip", "key", "containerPort", "port", "mountPath"}

// named answers the field by which the elements of all lists can be told apart;
// ok is false when there is none.
func named(lists ...[]any) (field string, ok bool) {
	for _, field := range names {
		if all(lists, field) {
			return field, true
		}
	}
	return "", false
}

func all(lists [][]any, field string) bool {
	for _, list := range lists {
		if len(byName(list, field)) != len(list) {
			return false
		}
	}
	return true
}

// byName indexes the elements of a list that have the field; of two that share a
// value one is left out.
func byName(list []any, field string) map[string]any {
	out := map[string]any{}
	for _, item := range list {
		if name, ok := nameIn(item, field); ok {
			out[name] = item
		}
	}
	return out
}

func nameIn(item any, field string) (name string, ok bool) {
	fields, ok := item.(map[string]any)
	if !ok || fields[field] == nil {
		return "", false
	}
	return fmt.Sprint(fields[field]), true
}

func scalars(list []any) bool {
	for _, item := range list {
		switch item.(type) {
		case map[string]any, []any:
			return false
		}
	}
	return true
}

func nilIfEmpty(list []any) any {
	if len(list) == 0 {
		return nil
	}
	return list
}

func at(list []any, i int) any {
	if i < len(list) {
		return list[i]
	}
	return nil
}

func union[A, B any](a map[string]A, b map[string]B) map[string]bool {
	out := map[string]bool{}
	for key := range a {
		out[key] = true
	}
	for key := range b {
		out[key] = true
	}
	return out
}
