package cluster

import (
	"segno/events"
	"segno/proto"
)

// view is the cluster over all its logs: each kind is read from its own.
// Its sequence is that of EVENTS.
type view struct {
	table                 *events.Table
	events, notes, leases events.View
}

// View is the newest state of all logs. Implements reconcilers.Views and part
// of bus.Cluster.
func (c *Cluster) View() events.View {
	return view{
		table:  c.table,
		events: c.ledgers.events().View(),
		notes:  c.ledgers[proto.StreamNotes].fold.View(),
		leases: c.ledgers[proto.StreamLeases].fold.View(),
	}
}

func (v view) of(resource proto.Resource) events.View {
	kind := v.table.Of(resource)
	switch {
	case kind != nil && kind.Stream == proto.StreamNotes:
		return v.notes
	case kind != nil && kind.Stream == proto.StreamLeases:
		return v.leases
	default:
		return v.events
	}
}

// Seq implements events.View.
func (v view) Seq() proto.Seq { return v.events.Seq() }

// Get implements events.View.
func (v view) Get(key proto.ObjectKey) (events.Object, error) { return v.of(key.Resource).Get(key) }

// List implements events.View.
func (v view) List(query events.Query) (events.Page, error) {
	return v.of(query.Resource).List(query)
}
