package commands

import (
	"encoding/json"
	"slices"
	"strings"

	"segno/cli/api/history"
)

// secretFlags are flags whose value is, or ends in, a secret.
var secretFlags = []string{"--from-literal", "--docker-password", "--patch", "-p"}

// spoken is a command line as it goes into the log, where everybody who may read
// the log finds it: without the values of a Secret.
func spoken(args []string) string {
	out := append([]string{program}, args...)
	if slices.ContainsFunc(args, func(arg string) bool {
		kind, _, _ := strings.Cut(strings.ToLower(arg), "/")
		return kind == "secret" || kind == "secrets"
	}) {
		for i := 1; i < len(out); i++ {
			name, value, joined := strings.Cut(out[i], "=")
			switch {
			case !slices.Contains(secretFlags, name):
			case joined:
				out[i] = name + "=" + withoutValue(name, value)
			case i+1 < len(out):
				i++
				out[i] = withoutValue(name, out[i])
			}
		}
	}
	return strings.Join(out, " ")
}

// withoutValue keeps the key of a literal.
func withoutValue(flag, value string) string {
	if key, _, ok := strings.Cut(value, "="); ok && flag == "--from-literal" {
		return key + "=…"
	}
	return "…"
}

// concealed tells whether a field of an object holds a secret, or a copy of it.
func concealed(o history.Object, path string) bool {
	if o.Group != "" || o.Resource != "secrets" {
		return false
	}
	field := strings.FieldsFunc(path, func(r rune) bool { return r == '.' || r == '[' })
	return field[0] == "data" || field[0] == "stringData" || strings.Contains(path, "last-applied-configuration")
}

// conceal takes the values of Secrets out of what is shown to people: that they
// changed is told.
func conceal(list history.List) history.List {
	out := list
	out.Revisions = slices.Clone(list.Revisions)
	for i := range out.Revisions {
		out.Revisions[i] = concealOne(list.Object, out.Revisions[i])
	}
	return out
}

func concealOne(o history.Object, r history.Revision) history.Revision {
	r.Changes = slices.Clone(r.Changes)
	for i := range r.Changes {
		if change := &r.Changes[i]; concealed(o, change.Path) {
			*change = history.Change{Path: change.Path, New: json.RawMessage(`"` + fateOf(*change) + `"`)}
		}
	}
	return r
}

func fateOf(change history.Change) string {
	switch {
	case change.Old == nil:
		return "set"
	case change.New == nil:
		return "removed"
	default:
		return "changed"
	}
}
