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
	kind      *events.Kind
	namespace string
	labels    labels.Selector
	fields    fields.Selector
	name      string // set when the fields demand one name
}

// selectionOf reads the selectors of a request. A name in the path counts as
// a field selector: watching one object is watching a list of it.
func selectionOf(c *call) (selection, error) {
	query := c.r.URL.Query()
	s := selection{kind: c.kind, labels: labels.Everything(), fields: fields.Everything()}
	if c.kind.Namespaced {
		s.namespace = c.target.Namespace
	}
	var err error
	if text := query.Get("labelSelector"); text != "" {
		if s.labels, err = labels.Parse(text); err != nil {
			return s, badRequest("labelSelector %q: %s", text, err)
		}
	}
	if text := query.Get("fieldSelector"); text != "" {
		if s.fields, err = fields.ParseSelector(text); err != nil {
			return s, badRequest("fieldSelector %q: %s", text, err)
		}
		if err := knownFields(c.kind, s.fields); err != nil {
			return s, err
		}
	}
	if c.target.Name != "" {
		s.fields = fields.AndSelectors(s.fields, fields.OneTermEqualSelector("metadata.name", c.target.Name))
	}
	s.name, _ = s.fields.RequiresExactMatch("metadata.name")
	if ns, ok := s.fields.RequiresExactMatch("metadata.namespace"); ok && s.namespace == "" && c.kind.Namespaced {
		s.namespace = ns
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

// query is the selection as a view understands it.
func (s selection) query() events.Query {
	q := events.Query{Resource: s.kind.Resource, Namespace: s.namespace}
	if !s.labels.Empty() {
		q.Labels = s.labels
	}
	if !s.fields.Empty() {
		q.Fields = s.fields
	}
	return q
}

// covers tells by the key alone whether an object may match.
func (s selection) covers(key proto.ObjectKey) bool {
	return key.Resource == s.kind.Resource &&
		(s.namespace == "" || s.namespace == key.Namespace) &&
		(s.name == "" || s.name == key.Name)
}

// matches tells whether the object is selected.
func (s selection) matches(obj events.Object) bool {
	if !s.labels.Empty() && !s.labels.Matches(labels.Set(obj.GetLabels())) {
		return false
	}
	if s.fields.Empty() {
		return true
	}
	set := fields.Set{}
	if s.kind.Fields != nil {
		for name, value := range s.kind.Fields(obj) {
			set[name] = value
		}
	}
	set["metadata.name"], set["metadata.namespace"] = obj.GetName(), obj.GetNamespace()
	return s.fields.Matches(set)
}

// one answers the single object that can match, when the selection names one.
func (s selection) one(view events.View) (page events.Page, ok bool, err error) {
	if s.name == "" || (s.kind.Namespaced && s.namespace == "") {
		return page, false, nil
	}
	obj, err := view.Get(s.kind.Resource.Key(s.namespace, s.name))
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
	q := s.query()
	q.Limit, q.After = limit, after
	page, err := view.List(q)
	if err != nil {
		return page, fmt.Errorf("list %s: %w", s.kind.Resource, err)
	}
	return page, nil
}
