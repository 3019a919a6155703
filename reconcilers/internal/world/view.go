package world

import (
	"fmt"
	"slices"

	"segno/events"
	"segno/proto"
)

// View is the world at one moment.
type View struct {
	table  *events.Table
	state  *state
	stream string
}

var (
	_ events.View  = (*View)(nil)
	_ events.Dated = (*View)(nil)
)

// View answers the world as it is; its Seq is that of the EVENTS log.
func (w *World) View() events.View {
	w.mu.Lock()
	defer w.mu.Unlock()
	return &View{table: w.Table, state: w.now, stream: proto.StreamEvents}
}

// Seq is the newest transaction.
func (v *View) Seq() proto.Seq { return v.state.seqs[v.stream] }

// Get answers one object, or nil.
func (v *View) Get(key proto.ObjectKey) (events.Object, error) {
	if obj, ok := v.state.objects[key]; ok {
		return obj, nil
	}
	return nil, nil
}

// StatusSeq is the transaction that last wrote an object's status.
func (v *View) StatusSeq(key proto.ObjectKey) (proto.Seq, error) {
	if rec, ok := v.state.records[key]; ok && !rec.Deleted {
		return rec.StatusSeq, nil
	}
	return 0, nil
}

// CreatedSeq is the transaction that made an object.
func (v *View) CreatedSeq(key proto.ObjectKey) (proto.Seq, error) {
	if rec, ok := v.state.records[key]; ok && !rec.Deleted {
		return rec.Created, nil
	}
	return 0, nil
}

// List answers the objects that match. It knows no pages.
func (v *View) List(query events.Query) (events.Page, error) {
	kind := v.table.Of(query.Resource)
	if kind == nil {
		return events.Page{}, fmt.Errorf("list %s: resource is not in the table of kinds", query.Resource)
	}
	var page events.Page
	for _, obj := range v.sorted(kind) {
		if query.Matches(kind, obj) {
			page.Items = append(page.Items, obj)
		}
	}
	return page, nil
}

// sorted lists a resource's objects in key order.
func (v *View) sorted(kind *events.Kind) []events.Object {
	v.state.listing.Lock()
	defer v.state.listing.Unlock()
	if list, ok := v.state.lists[kind.Resource]; ok {
		return list
	}
	var list []events.Object
	for key, obj := range v.state.objects {
		if key.Resource == kind.Resource {
			list = append(list, obj)
		}
	}
	slices.SortFunc(list, func(a, b events.Object) int { return events.CompareKeys(kind.KeyOf(a), kind.KeyOf(b)) })
	v.state.lists[kind.Resource] = list
	return list
}
