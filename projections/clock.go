package projections

import (
	"fmt"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"segno/proto"
)

// unixNano keeps the zero time apart from 1970.
func unixNano(at time.Time) int64 {
	if at.IsZero() {
		return 0
	}
	return at.UnixNano()
}

func fromUnixNano(n int64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.Unix(0, n).UTC()
}

// TimeOf is when a transaction was appended.
func (p *Projection) TimeOf(seq proto.Seq) (time.Time, error) {
	at, _, err := p.PositionAt(seq)
	return at.At, err
}

// SeqAt is the newest transaction at or before a moment; the sequence before the
// first one when there is none.
func (p *Projection) SeqAt(at time.Time) (proto.Seq, error) {
	st := p.state.Load()
	if !st.At.After(at) {
		return st.Seq, nil
	}
	from, err := p.timeRow(at)
	if err != nil {
		return 0, err
	}
	newest := st.start()
	if from == 0 {
		return newest, nil
	}
	for newest = from; newest < st.Seq; {
		entries, _, err := p.span(newest, min(newest+timeEvery, st.Seq))
		if err != nil {
			return 0, err
		}
		for i := range entries {
			if entries[i].Envelope.At.After(at) {
				return newest, nil
			}
			newest = entries[i].Envelope.Seq
		}
	}
	return newest, nil
}

// timeRow is the newest transaction of the time index at or before a moment.
func (p *Projection) timeRow(at time.Time) (proto.Seq, error) {
	if err := p.enter(); err != nil {
		return 0, err
	}
	defer p.leave()
	if at.UnixNano() < 0 {
		return 0, nil
	}
	it, err := p.db.NewIter(&pebble.IterOptions{LowerBound: []byte{spaceTime}, UpperBound: timeKey(at.UnixNano()+1, 0)})
	if err != nil {
		return 0, fmt.Errorf("look up %s: %w", at, err)
	}
	defer it.Close()
	var seq proto.Seq
	if it.Last() {
		seq = takeSeq(it.Key())
	}
	if err := it.Error(); err != nil {
		return 0, fmt.Errorf("look up %s: %w", at, err)
	}
	return seq, nil
}

// Effects are the transactions that seq caused, directly.
func (p *Projection) Effects(seq proto.Seq) ([]proto.Seq, error) {
	if err := p.enter(); err != nil {
		return nil, err
	}
	defer p.leave()
	it, err := p.db.NewIter(&pebble.IterOptions{LowerBound: causeKey(seq, 0), UpperBound: causeKey(seq+1, 0)})
	if err != nil {
		return nil, fmt.Errorf("read the effects of %s: %w", seq, err)
	}
	defer it.Close()
	newest := p.state.Load().Seq
	var out []proto.Seq
	for ok := it.First(); ok; ok = it.Next() {
		if effect := takeSeq(it.Key()); effect <= newest {
			out = append(out, effect)
		}
	}
	if err := it.Error(); err != nil {
		return nil, fmt.Errorf("read the effects of %s: %w", seq, err)
	}
	return out, nil
}
