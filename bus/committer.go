package bus

import (
	"context"
	"fmt"

	"segno/proto"
)

// committer is the commit loop: one goroutine that makes groups of published
// transactions durable and then answers their callers, in order.
type committer struct {
	seq     *Sequencer
	line    *line
	writer  *writer
	flights []flight // the group in hand
	count   int      // of its commands
}

// run works until flights is closed and all of them are answered, so that a
// clean stop loses nothing that was decided.
func (c *committer) run(ctx context.Context, flights <-chan flight) error {
	for f := range flights {
		c.gather(f, flights)
		if err := c.commit(context.WithoutCancel(ctx)); err != nil {
			c.refuse(err)
			c.seq.halt(err)
			for f := range flights { // until the decide loop has noticed
				c.flights = append(c.flights[:0], f)
				c.refuse(err)
			}
			return err
		}
	}
	return nil
}

// gather makes a group of the flight and of those that wait behind it.
func (c *committer) gather(f flight, flights <-chan flight) {
	c.flights = append(c.flights[:0], f)
	c.count = len(f.items)
	for c.count < groupLength {
		select {
		case f, ok := <-flights:
			if !ok {
				return
			}
			c.flights = append(c.flights, f)
			c.count += len(f.items)
		default:
			return
		}
	}
}

// commit waits for the log, folds in one synced batch, then answers.
func (c *committer) commit(ctx context.Context) error {
	entries, last := make([]proto.Entry, 0, c.count), proto.Seq(0) // the fold's from now on
	for i := range c.flights {
		last = max(last, c.flights[i].last)
		for j := range c.flights[i].items {
			if entry := c.flights[i].items[j].entry; entry.Envelope != nil {
				entries = append(entries, entry)
			}
		}
	}
	if len(entries) > 0 {
		var refused error
		err := c.seq.cfg.Fold.Commit(entries, func() error { // folded while the log writes
			refused = c.line.wait(ctx, last)
			return refused
		})
		if refused != nil {
			return refused
		}
		if err != nil {
			return fmt.Errorf("fold %s to %s: %w", entries[0].Envelope.Seq, last, err)
		}
		c.seq.folded.Store(uint64(last))
		c.seq.feed.offer(entries)
	}
	for i := range c.flights {
		for j := range c.flights[i].items {
			d := &c.flights[i].items[j]
			d.request.done <- d.answer
		}
		c.writer.bytes.free(c.flights[i].bytes)
		if settled := c.flights[i].settled; settled != nil {
			close(settled)
		}
	}
	return nil
}

// refuse answers a group that did not become durable.
func (c *committer) refuse(reason error) {
	for i := range c.flights {
		for j := range c.flights[i].items {
			c.flights[i].items[j].request.done <- answer{err: c.seq.unavailable(context.Background(), reason)}
		}
		c.writer.bytes.free(c.flights[i].bytes)
	}
}
