// Package table turns objects into the tables that kubectl prints.
//
// What comes in: a kind, objects of it, and the time that ages count to. What
// goes out: a meta.k8s.io Table. What never happens here: a clock reading, or a
// column of its own: columns and cells are the kind's (events.Kind.Columns and
// Row). This file is all there is.
package table

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/duration"

	"segno/events"
)

// Options say how a table is built. The zero value is meta.k8s.io/v1 with the
// metadata of each object.
type Options struct {
	Now     time.Time
	Include metav1.IncludeObjectPolicy // what each row carries of its object; "" is Metadata
	Version string                     // v1 or v1beta1; "" is v1
	// Bare leaves the column definitions out: events of a watch after the first.
	Bare bool
}

// Of builds the table of the objects, in their order.
func Of(kind *events.Kind, items []events.Object, opts Options) *metav1.Table {
	if opts.Version == "" {
		opts.Version = "v1"
	}
	gv := schema.GroupVersion{Group: metav1.GroupName, Version: opts.Version}
	out := &metav1.Table{Rows: make([]metav1.TableRow, 0, len(items))}
	out.SetGroupVersionKind(gv.WithKind("Table"))
	columns, cells := shape(kind)
	if !opts.Bare {
		out.ColumnDefinitions = columns
	} else {
		out.ColumnDefinitions = []metav1.TableColumnDefinition{}
	}
	for _, item := range items {
		out.Rows = append(out.Rows, metav1.TableRow{Cells: cells(item, opts.Now), Object: carried(kind, item, gv, opts.Include)})
	}
	return out
}

// shape is the kind's own, or name and age for a kind that says nothing.
func shape(kind *events.Kind) ([]metav1.TableColumnDefinition, func(events.Object, time.Time) []any) {
	if kind.Row != nil {
		return kind.Columns, kind.Row
	}
	columns := []metav1.TableColumnDefinition{
		{Name: "Name", Type: "string", Format: "name", Description: "Name of the object."},
		{Name: "Created At", Type: "string", Description: "Time since the object was created."},
	}
	return columns, func(obj events.Object, now time.Time) []any {
		return []any{obj.GetName(), duration.HumanDuration(now.Sub(obj.GetCreationTimestamp().Time))}
	}
}

// carried is what a row holds of its object.
func carried(kind *events.Kind, obj events.Object, gv schema.GroupVersion, include metav1.IncludeObjectPolicy) runtime.RawExtension {
	switch include {
	case metav1.IncludeNone:
		return runtime.RawExtension{}
	case metav1.IncludeObject:
		full := obj.DeepCopyObject()
		full.GetObjectKind().SetGroupVersionKind(kind.GVK)
		return runtime.RawExtension{Object: full}
	default:
		return runtime.RawExtension{Object: Metadata(obj, gv)}
	}
}

// Metadata is the object reduced to its metadata, as metadata clients ask for
// it. It shares the object's maps.
func Metadata(obj metav1.Object, gv schema.GroupVersion) *metav1.PartialObjectMetadata {
	out := &metav1.PartialObjectMetadata{}
	out.SetGroupVersionKind(gv.WithKind("PartialObjectMetadata"))
	if holder, ok := obj.(metav1.ObjectMetaAccessor); ok {
		if meta, ok := holder.GetObjectMeta().(*metav1.ObjectMeta); ok {
			out.ObjectMeta = *meta
		}
	}
	return out
}
