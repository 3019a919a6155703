package diffs

import (
	"fmt"
	"strings"
	"time"

	"github.com/pmezard/go-difflib/difflib"
	"sigs.k8s.io/yaml"

	"segno/cli/api/history"
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
	before, err := linesOf(was)
	if err != nil {
		return nil, err
	}
	after, err := linesOf(is)
	if err != nil || strings.Join(before, "") == strings.Join(after, "") {
		return nil, err
	}
	if len(before) > mostText || len(after) > mostText {
		out := &Part{Added: len(after), Removed: len(before)}
		if !t.counts {
			out.Unified = t.head() + fmt.Sprintf("# %d lines became %d: too many to compare line by line; the fields are in -o json\n", len(before), len(after))
		}
		return out, nil
	}
	out := &Part{}
	for _, group := range difflib.NewMatcher(before, after).GetOpCodes() {
		if group.Tag != 'e' {
			out.Removed += group.I2 - group.I1
			out.Added += group.J2 - group.J1
		}
	}
	if t.counts {
		return out, nil
	}
	unified, err := difflib.GetUnifiedDiffString(difflib.UnifiedDiff{A: before, B: after, Context: context})
	out.Unified = t.head() + unified
	return out, err
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
func Name(o history.Object) string {
	name := o.Resource
	if o.Group != "" {
		name += "." + o.Group
	}
	if o.Namespace != "" {
		name += "/" + o.Namespace
	}
	return name + "/" + o.Name
}

// linesOf is the YAML of a section, each line with its end.
func linesOf(object map[string]any) ([]string, error) {
	if len(object) == 0 {
		return nil, nil
	}
	data, err := yaml.Marshal(object)
	if err != nil {
		return nil, fmt.Errorf("write it as YAML: %w", err)
	}
	lines := strings.SplitAfter(string(data), "\n")
	return lines[:len(lines)-1], nil
}
