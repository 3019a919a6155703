package projections

import (
	"fmt"
	"runtime"
	"sync"

	"segno/proto"
)

// groupBytes is how much of the log one batch takes at most: larger ones
// would not fit the memtable.
const groupBytes = 2 << 20

// Commit folds the entries, which continue the log, and keeps them with the
// position in one synced batch (a few, when they are more than groupBytes).
// Entries at or below the position are skipped. logged, unless it is nil, is
// asked when all is ready to be written: its error abandons the commit. Once
// they are durable, their changes are released to followers, in order. The
// projection keeps references to the entries: they must not be written to any more.
//
// After an error the position tells how far Commit came; what is behind it may
// be committed again, unless it was the write that failed: what then lies on
// disk only opening again can tell, and every further Commit fails.
func (p *Projection) Commit(entries []proto.Entry, logged func() error) error {
	if err := p.enter(); err != nil {
		return err
	}
	defer p.leave()
	p.folding.Lock()
	defer p.folding.Unlock()
	if p.broken != nil {
		return fmt.Errorf("commit after a failed write: %w", p.broken)
	}
	entries, err := p.state.Load().admit(entries, p.cfg.Retained, p.cfg.Redacted)
	if err != nil {
		return err
	}
	for len(entries) > 0 {
		n, size := 0, 0
		for n < len(entries) && (n == 0 || size+len(entries[n].Encoded) <= groupBytes) {
			size += len(entries[n].Encoded)
			n++
		}
		if err := p.commit(entries[:n], size, logged); err != nil {
			return fmt.Errorf("commit transactions %s to %s: %w", entries[0].Envelope.Seq, entries[n-1].Envelope.Seq, p.cfg.explain(err))
		}
		entries, logged = entries[n:], nil
	}
	return p.cfg.explain(p.slide())
}

func (p *Projection) commit(entries []proto.Entry, size int, logged func() error) error {
	g := p.newGroup()
	defer g.close()
	bodies := bodyHashes(entries, size)
	for i := range entries {
		if err := g.fold(&entries[i], bodies[:len(entries[i].Envelope.Events)]); err != nil {
			return fmt.Errorf("fold transaction %s: %w", entries[i].Envelope.Seq, err)
		}
		bodies = bodies[len(entries[i].Envelope.Events):]
	}
	if err := g.finish(); err != nil {
		return err
	}
	if logged != nil {
		if err := logged(); err != nil {
			return err
		}
	}
	p.recent.add(g.recent)
	if err := p.db.Apply(g.batch, p.write); err != nil {
		p.broken = fmt.Errorf("write the batch: %w", err)
		return p.broken
	}
	p.publish(g)
	return nil
}

// publish makes a durable group visible: the position first, so that whoever
// is told of a change finds it in the view.
func (p *Projection) publish(g *group) {
	g.strip()
	for _, o := range g.order {
		if o.now != nil {
			p.records.put(o.key, o.now)
		}
		switch {
		case o.now.live() && !o.start.live():
			p.present.add(o.key)
		case o.start.live() && !o.now.live():
			p.present.remove(o.key)
		}
	}
	st := g.state
	p.state.Store(&st)
	p.feed.publish(g.txns, st.Seq, g.followed)
}

// parallelBytes is from how many bytes on hashing pays for other processors.
const parallelBytes = 64 << 10

// bodyHashes hashes the body of every event: the one part of the fold that
// does not depend on what came before.
func bodyHashes(entries []proto.Entry, size int) []proto.Hash {
	var bodies [][]byte
	for i := range entries {
		for j := range entries[i].Envelope.Events {
			bodies = append(bodies, entries[i].Envelope.Events[j].Body)
		}
	}
	hashes := make([]proto.Hash, len(bodies))
	workers := runtime.GOMAXPROCS(0)
	if size < parallelBytes {
		workers = 1
	}
	var wait sync.WaitGroup
	share := (len(bodies) + workers - 1) / workers
	for from := share; from < len(bodies); from += share {
		wait.Go(func() { hashAll(bodies[from:min(from+share, len(bodies))], hashes[from:]) })
	}
	hashAll(bodies[:min(share, len(bodies))], hashes)
	wait.Wait()
	return hashes
}

func hashAll(bodies [][]byte, hashes []proto.Hash) {
	for i, body := range bodies {
		hashes[i] = sectionHash(body)
	}
}
