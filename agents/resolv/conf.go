package resolv

import (
	"slices"
	"strings"
)

// Conf is what a resolv.conf says.
type Conf struct {
	Servers  []string
	Searches []string
	Options  []string // as "ndots:5"
}

// Parse reads the text of a resolv.conf as resolvers do: what they do not know
// is passed over, and the last search counts.
func Parse(text string) Conf {
	var c Conf
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) < 2 || strings.ContainsAny(fields[0][:1], "#;") {
			continue
		}
		switch fields[0] {
		case "nameserver":
			c.Servers = append(c.Servers, fields[1])
		case "search", "domain":
			c.Searches = fields[1:]
		case "options":
			c.Options = append(c.Options, fields[1:]...)
		}
	}
	c.Searches = slices.DeleteFunc(c.Searches, func(s string) bool { return s == "." })
	return c
}

// String is the text of the file.
func (c Conf) String() string {
	var out strings.Builder
	if len(c.Searches) > 0 {
		out.WriteString("search " + strings.Join(c.Searches, " ") + "\n")
	}
	for _, server := range c.Servers {
		out.WriteString("nameserver " + server + "\n")
	}
	if len(c.Options) > 0 {
		out.WriteString("options " + strings.Join(c.Options, " ") + "\n")
	}
	return out.String()
}
