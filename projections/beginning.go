package projections

import (
	"segno/events"
	"segno/proto"
)

// Beginning is an object as the log began with it, and as no transaction of this
// log made it: nil where it did not live then, or where the log began with
// nothing.
func (p *Projection) Beginning(key proto.ObjectKey) (*events.Record, error) {
	if err := p.enter(); err != nil {
		return nil, err
	}
	defer p.leave()
	start := p.state.Load().start()
	if start == 0 {
		return nil, nil
	}
	reader, err := p.versions(p.db)
	if err != nil {
		return nil, err
	}
	defer reader.close()
	r, err := reader.row(key, start)
	if err != nil || !r.live() {
		return nil, p.cfg.explain(err)
	}
	return r.rec, nil
}
