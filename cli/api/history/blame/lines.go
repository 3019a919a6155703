package blame

import (
	"fmt"
	"strings"

	"segno/cli/api/history/yamls"
	"segno/events/fields"
)

// Line is a line of an object's YAML. Origin is that of all fields on it and
// below it; nil when they have different ones.
type Line struct {
	Text   string
	Origin *Origin
}

// Lines are the YAML of the object, with the origin of each line. The values of
// concealed fields are left out; nil conceals none.
func (b *Blame) Lines(concealed func(path string) bool) ([]Line, error) {
	w := &writer{origins: map[string]*Origin{}, concealed: concealed}
	for i := range b.Fields {
		w.origins[b.Fields[i].Path] = &b.Fields[i].Origin
	}
	for _, below := range fields.Tree(b.Value).Below {
		if err := w.write(below, "", ""); err != nil {
			return nil, err
		}
	}
	return w.out, nil
}

type writer struct {
	origins   map[string]*Origin
	concealed func(path string) bool
	out       []Line
}

// write prints a node. dash is what begins its first line where it is the first
// field of an element of a list, or an element itself.
func (w *writer) write(n *fields.Node, indent, dash string) error {
	origin := w.common(n)
	if n.Leaf() {
		return w.leaf(n, indent, dash, origin)
	}
	below := indent + strings.Repeat(" ", len(dash))
	if n.Key != "" {
		name, err := yamls.Marshal(n.Key)
		if err != nil {
			return fmt.Errorf("write the field %s as YAML: %w", n.Path, err)
		}
		w.out = append(w.out, Line{Text: indent + dash + strings.TrimSuffix(string(name), "\n") + ":", Origin: origin})
		dash = ""
		if !n.List {
			below += "  "
		}
	}
	for _, child := range n.Below {
		lead, at := "", below
		switch {
		case n.List:
			lead = dash + "- "
		case dash != "":
			lead = dash
		}
		if lead != "" && dash != "" {
			at = indent
		}
		if err := w.write(child, at, lead); err != nil {
			return err
		}
		dash = ""
	}
	return nil
}

func (w *writer) leaf(n *fields.Node, indent, dash string, origin *Origin) error {
	value := n.Value
	if w.concealed != nil && w.concealed(n.Path) {
		value = "…"
	}
	if n.Key != "" {
		value = map[string]any{n.Key: value}
	}
	data, err := yamls.Marshal(value)
	if err != nil {
		return fmt.Errorf("write the field %s as YAML: %w", n.Path, err)
	}
	for line := range strings.Lines(string(data)) {
		w.out = append(w.out, Line{Text: indent + dash + strings.TrimSuffix(line, "\n"), Origin: origin})
		dash = strings.Repeat(" ", len(dash))
	}
	return nil
}

// common is the one origin of a node and all below it; nil when there are several.
func (w *writer) common(n *fields.Node) (origin *Origin) {
	first := true
	n.Leaves(func(leaf *fields.Node, _ []*fields.Node) {
		of := w.origins[leaf.Path]
		switch {
		case first:
			origin, first = of, false
		case of == nil || origin == nil || *of != *origin:
			origin = nil
		}
	})
	return origin
}
