package events

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"

	"segno/proto"
)

// CompareKeys is the key order of one resource's lists: by namespace, then by
// name, byte by byte.
func CompareKeys(a, b proto.ObjectKey) int {
	if c := cmp.Compare(a.Namespace, b.Namespace); c != 0 {
		return c
	}
	return cmp.Compare(a.Name, b.Name)
}

// KeyOf is the key of an object of the given kind.
func (k *Kind) KeyOf(obj Object) proto.ObjectKey {
	return k.Resource.Key(obj.GetNamespace(), obj.GetName())
}

// Matches tells whether the query selects the object. Resource, Limit and
// After are not looked at: they say where to look, not for what.
func (q *Query) Matches(kind *Kind, obj Object) bool {
	if q.Namespace != "" && obj.GetNamespace() != q.Namespace {
		return false
	}
	if q.Owner != "" && !q.ownedBy(obj) {
		return false
	}
	if q.Node != "" {
		pod, ok := obj.(*corev1.Pod)
		if !ok || pod.Spec.NodeName != string(q.Node) {
			return false
		}
	}
	if q.Labels != nil && !q.Labels.Empty() && !q.Labels.Matches(labels.Set(obj.GetLabels())) {
		return false
	}
	if q.Fields != nil && !q.Fields.Empty() && !q.Fields.Matches(&fieldsOf{kind: kind, obj: obj}) {
		return false
	}
	return true
}

func (q *Query) ownedBy(obj Object) bool {
	for _, ref := range obj.GetOwnerReferences() {
		if ref.UID == q.Owner {
			return true
		}
	}
	return false
}

// Selective tells whether the query filters objects beyond their namespace: what
// is left behind a page is then not known.
func (q *Query) Selective() bool {
	return q.Owner != "" || q.Node != "" ||
		q.Labels != nil && !q.Labels.Empty() || q.Fields != nil && !q.Fields.Empty()
}

// Check answers a BadRequest when the query names a field that the kind does
// not offer for selection.
func (q *Query) Check(kind *Kind) error {
	if q.Fields == nil {
		return nil
	}
	for _, r := range q.Fields.Requirements() {
		if r.Field != "metadata.name" && r.Field != "metadata.namespace" && !slices.Contains(kind.FieldNames, r.Field) {
			known := append([]string{"metadata.name", "metadata.namespace"}, kind.FieldNames...)
			return apierrors.NewBadRequest(fmt.Sprintf("field label not supported: %s (%s can be selected by %s)",
				r.Field, kind.Resource, strings.Join(known, ", ")))
		}
	}
	return nil
}

// fieldsOf answers an object's selectable fields, computing the kind's own
// only when one is asked for.
type fieldsOf struct {
	kind *Kind
	obj  Object
	own  fields.Set
}

var _ fields.Fields = (*fieldsOf)(nil)

// Has tells whether the kind has the field.
func (f *fieldsOf) Has(field string) bool {
	return field == "metadata.name" || field == "metadata.namespace" || f.set().Has(field)
}

// Get answers the field's value.
func (f *fieldsOf) Get(field string) string {
	switch field {
	case "metadata.name":
		return f.obj.GetName()
	case "metadata.namespace":
		return f.obj.GetNamespace()
	default:
		return f.set().Get(field)
	}
}

func (f *fieldsOf) set() fields.Set {
	if f.own == nil && f.kind.Fields != nil {
		f.own = f.kind.Fields(f.obj)
	}
	return f.own
}
