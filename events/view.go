package events

import (
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"

	"segno/proto"
)

// View is the cluster at one sequence. Its objects are decoded, carry their
// resourceVersion, and are shared: copy before changing one.
type View interface {
	// Seq is the newest transaction that the view includes.
	Seq() proto.Seq
	// Get answers one object, or nil when there is none.
	Get(key proto.ObjectKey) (Object, error)
	// List answers the objects that match, in key order.
	List(query Query) (Page, error)
}

// Dated is a View that also knows when an object was made and a part of it last
// written. A control loop's is one.
type Dated interface {
	// StatusSeq is the transaction that last wrote the object's status; 0 when
	// there is none.
	StatusSeq(key proto.ObjectKey) (proto.Seq, error)
	// CreatedSeq is the transaction that made the object; 0 when there is none. It
	// is only for an order: a log whose beginning was dropped may not know it.
	CreatedSeq(key proto.ObjectKey) (proto.Seq, error)
}

// StatusSeq asks a view that is Dated; any other one answers 0.
func StatusSeq(v View, key proto.ObjectKey) (proto.Seq, error) {
	if dated, ok := v.(Dated); ok {
		return dated.StatusSeq(key)
	}
	return 0, nil
}

// CreatedSeq asks a view that is Dated; any other one answers 0.
func CreatedSeq(v View, key proto.ObjectKey) (proto.Seq, error) {
	if dated, ok := v.(Dated); ok {
		return dated.CreatedSeq(key)
	}
	return 0, nil
}

// Query selects objects of one resource; zero fields select everything.
type Query struct {
	Resource  proto.Resource
	Namespace string          // "" is all namespaces
	Labels    labels.Selector // nil is everything
	Fields    fields.Selector // nil is everything; evaluated over Kind.Fields
	Owner     types.UID       // only objects with this owner reference (indexed)
	Node      proto.NodeName  // only pods bound to this node (indexed)
	Limit     int             // 0 is no limit
	After     proto.ObjectKey // continue behind this key; zero is from the start
}

// Page is a part of a list.
type Page struct {
	Items []Object
	Next  *proto.ObjectKey // pass as Query.After for the rest; nil at the end
	// Remaining counts what is left behind Next, -1 when it is not known
	// (a selector is set).
	Remaining int64
}

// GetAs is Get with the object's own type; ok is false when there is none.
func GetAs[T Object](v View, key proto.ObjectKey) (obj T, ok bool, err error) {
	found, err := v.Get(key)
	if err != nil || found == nil {
		return obj, false, err
	}
	obj, ok = found.(T)
	return obj, ok, nil
}

// ListAs is List without paging, with the objects' own type.
func ListAs[T Object](v View, query Query) ([]T, error) {
	page, err := v.List(query)
	if err != nil {
		return nil, err
	}
	out := make([]T, 0, len(page.Items))
	for _, item := range page.Items {
		if obj, ok := item.(T); ok {
			out = append(out, obj)
		}
	}
	return out, nil
}
