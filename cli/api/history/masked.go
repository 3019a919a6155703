package history

import (
	"net/url"
	"slices"
	"strings"
)

// secretParameters are the parameters of a query whose values may be secrets.
var secretParameters = []string{"token", "access_token", "id_token", "password", "secret"}

// SecretParameter tells whether the value of a query's parameter may be a secret:
// a credential in the wrong place. The name is as it is in the query.
func SecretParameter(name string) bool {
	plain, err := url.QueryUnescape(name)
	return err != nil || slices.Contains(secretParameters, strings.ToLower(plain))
}

// MaskedLine is a command line without the secrets in the queries of its paths.
func MaskedLine(line string) string { return masked(line, "& ") }

// MaskedArgument is the same of one argument, in which a value may have blanks.
func MaskedArgument(arg string) string { return masked(arg, "&") }

// masked goes from one parameter to the next: they begin behind ? and &, and their
// values end at one of ends.
func masked(text, ends string) string {
	var out strings.Builder
	for {
		begin := strings.IndexAny(text, "?&") + 1
		if begin == 0 {
			break
		}
		out.WriteString(text[:begin])
		text = text[begin:]
		name := text[:endOf(text, "=?"+ends)]
		if !strings.HasPrefix(text[len(name):], "=") || !SecretParameter(name) {
			continue
		}
		out.WriteString(name + "=…")
		text = text[endOf(text, ends):]
	}
	out.WriteString(text)
	return out.String()
}

func endOf(text, ends string) int {
	if at := strings.IndexAny(text, ends); at >= 0 {
		return at
	}
	return len(text)
}
