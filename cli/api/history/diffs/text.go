package diffs

import (
	"fmt"
	"strings"
	"time"

	"github.com/aymanbagabas/go-udiff"

	"segno/cli/api/history/yamls"
	"segno/proto"
)

const (
	context  = 3      // lines around a difference
	mostText = 20_000 // lines of a side that are compared: beyond, it takes too long
	nothing  = "/dev/null"
)

// text is one section of an object, to be compared as YAML.
type text struct {
	object  *Object
	section string
	counts  bool
}

// compare answers nil when nothing differs.
func (t text) compare(was, is map[string]any) (*Part, error) {
	before, err := yamlOf(was)
	if err != nil {
		return nil, err
	}
	after, err := yamlOf(is)
	if err != nil || before == after {
		return nil, err
	}
	if was, is := strings.Count(before, "\n"), strings.Count(after, "\n"); was > mostText || is > mostText {
		out := &Part{Added: is, Removed: was}
		if !t.counts {
			out.Unified = t.head() + fmt.Sprintf("# %d lines became %d: too many to compare line by line; the fields are in -o json\n", was, is)
		}
		return out, nil
	}
	return t.lines(before, after)
}

// lines compares line by line.
func (t text) lines(before, after string) (*Part, error) {
	unified, err := udiff.ToUnifiedDiff(t.side(t.object.Before), t.side(t.object.After), before, udiff.Lines(before, after), context)
	if err != nil {
		return nil, fmt.Errorf("compare %s: %w", Name(t.object.Object), err)
	}
	out := &Part{}
	for _, hunk := range unified.Hunks {
		hunk.ToLine = hunk.FromLine + out.Added - out.Removed // the library's is wrong from the second hunk on
		for _, line := range hunk.Lines {
			switch line.Kind {
			case udiff.Delete:
				out.Removed++
			case udiff.Insert:
				out.Added++
			case udiff.Equal:
			}
		}
	}
	if !t.counts {
		out.Unified = unified.String()
	}
	return out, nil
}

// head is the two lines that name the sides.
func (t text) head() string {
	return "--- " + t.side(t.object.Before) + "\n+++ " + t.side(t.object.After) + "\n"
}

func (t text) side(of *Moment) string {
	if of == nil {
		return nothing
	}
	return fmt.Sprintf("%s (%s)\tsequence %s, %s", Name(t.object.Object), t.section, of.Seq, of.Time.UTC().Format(time.RFC3339Nano))
}

// Name is an object on one line.
func Name(o proto.Object) string {
	name := o.Resource
	if o.Group != "" {
		name += "." + o.Group
	}
	if o.Namespace != "" {
		name += "/" + o.Namespace
	}
	return name + "/" + o.Name
}

// yamlOf is a section as YAML; "" when there is none.
func yamlOf(object map[string]any) (string, error) {
	if len(object) == 0 {
		return "", nil
	}
	data, err := yamls.Marshal(object)
	if err != nil {
		return "", fmt.Errorf("write it as YAML: %w", err)
	}
	return string(data), nil
}
