package events

import (
	"fmt"
	"slices"

	"segno/proto"
)

// Overlay is a View of what is decided but not yet folded: pending objects laid
// over a base view. The sequencer decides on one, and a Batch on another
// above it. It is not safe for use by several goroutines.
type Overlay struct {
	table   *Table
	base    View
	seq     proto.Seq
	pending map[proto.Resource]map[proto.ObjectKey]pending
	queue   []pushed // in order of seq; those at or below base.Seq are dropped
}

// pending is an object as it is after seq; nil when it is gone.
type pending struct {
	seq proto.Seq
	obj Object
}

type pushed struct {
	seq proto.Seq
	key proto.ObjectKey
}

var _ View = (*Overlay)(nil)

// NewOverlay lays nothing over base.
func NewOverlay(table *Table, base View) *Overlay {
	return &Overlay{table: table, base: base, seq: base.Seq(), pending: map[proto.Resource]map[proto.ObjectKey]pending{}}
}

// Push adds a decision as the transaction seq, which must be above Seq. The
// decision's objects are given their resourceVersion; they are shared from
// now on and must not be written to.
func (o *Overlay) Push(seq proto.Seq, d Decision) {
	o.seq = max(o.seq, seq)
	version := seq.String()
	if len(d.Touched) > 0 && d.Object != nil {
		d.Object.SetResourceVersion(version)
	}
	for _, t := range d.Touched {
		if t.Object != nil {
			t.Object.SetResourceVersion(version)
		}
		of := o.pending[t.Key.Resource]
		if of == nil {
			of = map[proto.ObjectKey]pending{}
			o.pending[t.Key.Resource] = of
		}
		of[t.Key] = pending{seq: seq, obj: t.Object}
		o.queue = append(o.queue, pushed{seq: seq, key: t.Key})
	}
}

// Rebase puts the overlay over a newer base and drops what that includes.
func (o *Overlay) Rebase(base View) {
	o.base = base
	o.seq = max(o.seq, base.Seq())
	n := 0
	for ; n < len(o.queue) && o.queue[n].seq <= base.Seq(); n++ {
		key := o.queue[n].key
		if of := o.pending[key.Resource]; of[key].seq <= base.Seq() {
			delete(of, key)
		}
	}
	o.queue = slices.Delete(o.queue, 0, n)
}

// Seq is the newest transaction, pending ones included.
func (o *Overlay) Seq() proto.Seq { return o.seq }

// Get answers one object, or nil when there is none.
func (o *Overlay) Get(key proto.ObjectKey) (Object, error) {
	if p, ok := o.pending[key.Resource][key]; ok {
		return p.obj, nil
	}
	return o.base.Get(key)
}

// List answers the objects that match, in key order.
func (o *Overlay) List(query Query) (Page, error) {
	of := o.pending[query.Resource]
	if len(of) == 0 {
		return o.base.List(query)
	}
	kind := o.table.Of(query.Resource)
	if kind == nil {
		return Page{}, fmt.Errorf("list %s: resource is not in the table of kinds", query.Resource)
	}
	l := listing{overlay: o, kind: kind, query: query}
	return l.page(of)
}
