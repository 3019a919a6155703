package commands

import (
	"encoding/json"
	"slices"
	"strings"
	"unicode"

	"segno/cli/api/history"
	"segno/proto"
)

// credentialFlags are flags whose value is a secret, whatever the command is about.
var credentialFlags = []string{"--token", "--password", "--docker-password"}

// secretFlags are those whose value is, or ends in, a secret when it is about a
// Secret.
var secretFlags = []string{"--from-literal", "--patch", "-p"}

// spoken is a command line as it goes into the log, where everybody who may read
// the log finds it: without the values of a Secret, and without credentials.
func spoken(args []string) string {
	out := append([]string{program}, args...)
	hidden := credentialFlags
	if slices.ContainsFunc(args, aboutSecret) || slices.Contains(args, "patch") && slices.ContainsFunc(args, aboutFile) {
		hidden = append(slices.Clone(hidden), secretFlags...)
	}
	for i := 1; i < len(out) && out[i] != "--"; i++ {
		name, value, joined := strings.Cut(out[i], "=")
		if strings.HasPrefix(name, "-p") && len(out[i]) > len("-p") { // joined without "=", or with one that is the value's
			name, value, joined = "-p", strings.TrimPrefix(out[i][len("-p"):], "="), true
		}
		switch {
		case !slices.Contains(hidden, name):
		case joined:
			out[i] = name + "=" + withoutValue(name, value)
		case i+1 < len(out):
			i++
			out[i] = withoutValue(name, out[i])
		}
	}
	for i := range out {
		out[i] = history.MaskedArgument(out[i])
	}
	return strings.Map(oneLine, strings.Join(out, " "))
}

// oneLine keeps a command line on its line: what is typed over several is sent in
// a header, and shown in tables.
func oneLine(r rune) rune {
	if unicode.IsControl(r) {
		return ' '
	}
	return r
}

// aboutFile tells whether an argument is the flag of a file: nothing here tells
// what is in it.
func aboutFile(arg string) bool {
	return strings.HasPrefix(arg, "--filename") || strings.HasPrefix(arg, "--kustomize") || strings.HasPrefix(arg, "-f") || strings.HasPrefix(arg, "-k")
}

// aboutSecret tells whether an argument names Secrets.
func aboutSecret(arg string) bool {
	return slices.ContainsFunc(strings.Split(strings.ToLower(arg), ","), func(arg string) bool {
		kind, _, _ := strings.Cut(arg, "/")
		kind, _, _ = strings.Cut(kind, ".")
		return kind == "secret" || kind == "secrets"
	})
}

// withoutValue keeps the key of a literal.
func withoutValue(flag, value string) string {
	if key, _, ok := strings.Cut(value, "="); ok && flag == "--from-literal" {
		return key + "=…"
	}
	return "…"
}

// concealed tells whether a field of an object holds a secret, or a copy of it.
func concealed(o proto.Object, path string) bool {
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

func concealOne(o proto.Object, r history.Revision) history.Revision {
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
