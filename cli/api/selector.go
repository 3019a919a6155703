package api

import (
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"

	"segno/events"
	"segno/proto"
)

// selection is which objects a list or watch is about.
type selection struct {
	kind  *events.Kind
	query events.Query
	name  string // set when the fields demand one name
}

// selectionOf reads the selectors of a request. A name in the path counts as
// a field selector: watching one object is watching a list of it.
func selectionOf(c *call) (selection, error) {
	params := c.r.URL.Query()
	s := selection{kind: c.kind, query: events.Query{Resource: c.kind.Resource}}
	if c.kind.Namespaced {
		s.query.Namespace = c.target.Namespace
	}
	if text := params.Get("labelSelector"); text != "" {
		parsed, err := labels.Parse(text)
		if err != nil {
			return s, badRequest("labelSelector %q: %s", text, err)
		}
		s.query.Labels = parsed
	}
	wanted := fields.Everything()
	if text := params.Get("fieldSelector"); text != "" {
		var err error
		if wanted, err = fields.ParseSelector(text); err != nil {
			return s, badRequest("fieldSelector %q: %s", text, err)
		}
		if err := knownFields(c.kind, wanted); err != nil {
			return s, err
		}
	}
	if c.target.Name != "" {
		wanted = fields.AndSelectors(wanted, fields.OneTermEqualSelector("metadata.name", c.target.Name))
	}
	s.name, _ = wanted.RequiresExactMatch("metadata.name")
	if ns, ok := wanted.RequiresExactMatch("metadata.namespace"); ok && s.query.Namespace == "" && c.kind.Namespaced {
		s.query.Namespace = ns
	}
	if !wanted.Empty() {
		s.query.Fields = wanted
	}
	return s, nil
}

func knownFields(kind *events.Kind, selector fields.Selector) error {
	known := append([]string{"metadata.name", "metadata.namespace"}, kind.FieldNames...)
	for _, req := range selector.Requirements() {
		if !slices.Contains(known, req.Field) {
			return badRequest("%q is not a known field selector: only %s", req.Field, quoted(known))
		}
	}
	return nil
}

func quoted(names []string) string {
	var out []string
	for _, name := range names {
		if text := fmt.Sprintf("%q", name); !slices.Contains(out, text) {
			out = append(out, text)
		}
	}
	return strings.Join(out, ", ")
}

// covers tells by the key alone whether an object may match.
func (s selection) covers(key proto.ObjectKey) bool {
	return key.Resource == s.kind.Resource &&
		(s.query.Namespace == "" || s.query.Namespace == key.Namespace) &&
		(s.name == "" || s.name == key.Name)
}

// matches tells whether the object is selected.
func (s selection) matches(obj events.Object) bool { return s.query.Matches(s.kind, obj) }

// one answers the single object that can match, when the selection names one.
func (s selection) one(view events.View) (page events.Page, ok bool, err error) {
	if s.name == "" || (s.kind.Namespaced && s.query.Namespace == "") {
		return page, false, nil
	}
	obj, err := view.Get(s.kind.Resource.Key(s.query.Namespace, s.name))
	if err != nil || obj == nil || !s.matches(obj) {
		return page, true, err
	}
	page.Items = []events.Object{obj}
	return page, true, nil
}

// in reads the selected objects of a view.
func (s selection) in(view events.View, limit int, after proto.ObjectKey) (events.Page, error) {
	if page, ok, err := s.one(view); ok {
		if err != nil {
			return page, fmt.Errorf("read %s: %w", s.kind.Resource, err)
		}
		return page, nil
	}
	q := s.query
	q.Limit, q.After = limit, after
	page, err := view.List(q)
	if err != nil {
		return page, fmt.Errorf("list %s: %w", s.kind.Resource, err)
	}
	return page, nil
}
