package projections

import (
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/selection"

	"segno/events"
	"segno/proto"
)

// List answers the objects that match, in key order.
func (v view) List(query events.Query) (events.Page, error) {
	kind := v.p.table.Of(query.Resource)
	if kind == nil {
		return events.Page{}, fmt.Errorf("list %s: resource is not in the table of kinds", query.Resource)
	}
	if err := v.p.enter(); err != nil {
		return events.Page{}, err
	}
	defer v.p.leave()
	reader, err := v.open()
	if err != nil {
		return events.Page{}, err
	}
	defer reader.close()
	l := &listing{view: v, kind: kind, query: &query, reader: reader}
	if err := l.run(); err != nil {
		return events.Page{}, fmt.Errorf("list %s as of %s: %w", query.Resource, v.seq, v.p.cfg.explain(err))
	}
	return l.page, nil
}

// listing is one List under way.
type listing struct {
	view   view
	kind   *events.Kind
	query  *events.Query
	reader *versions
	page   events.Page
	last   proto.ObjectKey // of the page
	full   bool
}

func (l *listing) run() error {
	if err := l.walk(); err != nil {
		return err
	}
	if l.full {
		l.page.Next = &l.last
		if l.query.Selective() {
			l.page.Remaining = -1
		}
	}
	return nil
}

// candidate is an object that may belong to the list. seq is its version as of
// the view, 0 when that is not known.
type candidate struct {
	key proto.ObjectKey
	seq proto.Seq
}

// visit takes one candidate; more is false once the page is complete.
func (l *listing) visit(c candidate) (more bool, err error) {
	if l.full && !l.query.Selective() {
		alive, err := l.alive(c)
		if alive {
			l.page.Remaining++
		}
		return true, err
	}
	obj, err := l.object(c)
	if err != nil || obj == nil || !l.query.Matches(l.kind, obj) {
		return true, err
	}
	if l.query.Limit > 0 && len(l.page.Items) == l.query.Limit {
		l.full, l.page.Remaining = true, 1
		return !l.query.Selective(), nil
	}
	l.page.Items = append(l.page.Items, obj)
	l.last = c.key
	return true, nil
}

func (l *listing) object(c candidate) (events.Object, error) {
	if c.seq == 0 {
		return l.view.p.objectAt(l.reader, c.key, l.view.seq)
	}
	if obj, ok := l.view.p.objects.get(versionID(c)); ok {
		return obj, nil
	}
	return l.view.p.objectAt(l.reader, c.key, c.seq)
}

// alive tells whether the candidate existed as of the view.
func (l *listing) alive(c candidate) (bool, error) {
	if c.seq > 0 {
		return true, nil
	}
	_, v, ok, err := l.reader.newest(c.key, l.view.seq)
	return ok && v.flags&flagDeleted == 0, err
}

// walk visits candidates in key order, by the rows that lead to the query's
// objects with the least detour.
func (l *listing) walk() error {
	if name, ok := l.exact("metadata.name"); ok && (l.query.Namespace != "" || !l.kind.Namespaced) {
		return l.single(name)
	}
	prefix, found := l.index()
	if !found {
		prefix = appendResource(nil, spaceCurrent, l.query.Resource)
	}
	rows, err := l.open(prefix)
	if err != nil {
		return err
	}
	defer rows.close()
	// Asked only now: what these rows may show is known to recent before.
	newer, ok := l.view.p.recent.since(l.view.seq, l.query)
	if !ok {
		return l.walkVersions()
	}
	return l.mend(rows, newer)
}

// exact answers the value that the field selector demands of a field.
func (l *listing) exact(field string) (string, bool) {
	if l.query.Fields == nil {
		return "", false
	}
	return l.query.Fields.RequiresExactMatch(field)
}

func (l *listing) single(name string) error {
	key := l.query.Resource.Key(l.query.Namespace, name)
	if !l.behind(key) {
		return nil
	}
	_, err := l.visit(candidate{key: key})
	return err
}

// index is the prefix of the index rows that narrow the query down most.
func (l *listing) index() (prefix []byte, ok bool) {
	r := l.query.Resource
	if l.query.Owner != "" {
		return ownerPrefix(string(l.query.Owner), r), true
	}
	if r == pods {
		if l.query.Node != "" {
			return nodePrefix(string(l.query.Node)), true
		}
		if node, ok := l.exact("spec.nodeName"); ok && node != "" {
			return nodePrefix(node), true
		}
	}
	for _, field := range indexedFields[r] {
		if value, ok := l.exact(field); ok && value != "" {
			return fieldPrefix(r, field, value), true
		}
	}
	if key, value, ok := equality(l.query.Labels); ok {
		return labelPrefix(r, key, value), true
	}
	return nil, false
}

var equalities = []selection.Operator{selection.Equals, selection.DoubleEquals, selection.In}

// equality finds a label that the selector demands to have one value.
func equality(selector labels.Selector) (key, value string, ok bool) {
	if selector == nil {
		return "", "", false
	}
	requirements, _ := selector.Requirements()
	for _, r := range requirements {
		values := r.Values().UnsortedList()
		if len(values) == 1 && slices.Contains(equalities, r.Operator()) {
			return r.Key(), values[0], true
		}
	}
	return "", "", false
}

// behind tells whether a key comes after the page before.
func (l *listing) behind(key proto.ObjectKey) bool {
	return l.query.After == (proto.ObjectKey{}) || events.CompareKeys(key, l.query.After) > 0
}
