package cluster

import (
	"segno/events"
	"segno/proto"
)

// view is the cluster over all its logs: each kind is read from its own.
// Its sequence is that of EVENTS.
type view struct {
	table *events.Table
	logs  map[string]events.View
}

// View is the newest state of all logs. Implements reconcilers.Views and part
// of bus.Cluster.
func (c *Cluster) View() events.View {
	v := view{table: c.table, logs: make(map[string]events.View, len(c.ledgers))}
	for stream, l := range c.ledgers {
		v.logs[stream] = l.fold.View()
	}
	return v
}

func (v view) of(resource proto.Resource) events.View {
	if kind := v.table.Of(resource); kind != nil {
		return v.logs[kind.Stream]
	}
	return v.logs[proto.StreamEvents]
}

// Seq implements events.View.
func (v view) Seq() proto.Seq { return v.logs[proto.StreamEvents].Seq() }

// Get implements events.View.
func (v view) Get(key proto.ObjectKey) (events.Object, error) { return v.of(key.Resource).Get(key) }

// List implements events.View.
func (v view) List(query events.Query) (events.Page, error) {
	return v.of(query.Resource).List(query)
}
