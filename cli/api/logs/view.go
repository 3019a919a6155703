package logs

import (
	"segno/events"
	"segno/proto"
)

// whole is a cluster over all its logs: each kind is read from its own. Its
// sequence is that of EVENTS.
type whole struct {
	table *events.Table
	views map[string]events.View // by stream
}

var (
	_ events.View  = whole{}
	_ events.Dated = whole{}
)

// Whole is the newest state of all logs in one view.
func (l *Logs) Whole() events.View {
	v := whole{table: l.table, views: make(map[string]events.View, len(l.logs))}
	for stream, log := range l.logs {
		v.views[stream] = log.Fold.View()
	}
	return v
}

func (v whole) of(resource proto.Resource) events.View {
	if kind := v.table.Of(resource); kind != nil {
		return v.views[kind.Stream]
	}
	return v.views[proto.StreamEvents]
}

// Seq implements events.View.
func (v whole) Seq() proto.Seq { return v.views[proto.StreamEvents].Seq() }

// Get implements events.View.
func (v whole) Get(key proto.ObjectKey) (events.Object, error) { return v.of(key.Resource).Get(key) }

// List implements events.View.
func (v whole) List(query events.Query) (events.Page, error) {
	return v.of(query.Resource).List(query)
}

// StatusSeq implements events.Dated.
func (v whole) StatusSeq(key proto.ObjectKey) (proto.Seq, error) {
	return events.StatusSeq(v.of(key.Resource), key)
}

// CreatedSeq implements events.Dated.
func (v whole) CreatedSeq(key proto.ObjectKey) (proto.Seq, error) {
	return events.CreatedSeq(v.of(key.Resource), key)
}
