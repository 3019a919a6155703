package sandbox

import (
	"context"
	"fmt"
	"time"

	"segno/proto"
)

// mostRounds bounds what may happen at one moment: a cluster that never comes to
// rest would keep its clock standing for ever.
const mostRounds = 10_000

// Advance lets that much time pass.
func (s *Sandbox) Advance(ctx context.Context, by time.Duration) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.until(ctx, s.clock.Now().Add(by))
}

// AdvanceTo lets time pass up to a moment, and does what is due then.
func (s *Sandbox) AdvanceTo(ctx context.Context, moment time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.until(ctx, moment)
}

// until goes from one moment at which something is due to the next.
func (s *Sandbox) until(ctx context.Context, moment time.Time) error {
	for {
		if err := s.settle(ctx); err != nil {
			return fmt.Errorf("let time pass in a sandbox, %s after its beginning: %w", s.clock.Now().Sub(s.begun), err)
		}
		now := s.clock.Now()
		if !now.Before(moment) {
			return nil
		}
		next := s.next(now)
		if next.After(moment) {
			next = moment
		}
		s.clock.set(next)
	}
}

// settle does all that is due now, until nothing is.
func (s *Sandbox) settle(ctx context.Context) error {
	for range mostRounds {
		if err := ctx.Err(); err != nil {
			return err
		}
		before := s.truth().Position().Seq
		for _, loop := range s.loops {
			if err := loop.CatchUp(ctx); err != nil {
				return err
			}
			if err := s.observe(ctx); err != nil {
				return err
			}
		}
		worked, err := s.stepNodes(ctx)
		if err != nil {
			return err
		}
		if err := s.observe(ctx); err != nil {
			return err
		}
		if !worked && s.truth().Position().Seq == before && s.next(s.clock.Now()).After(s.clock.Now()) {
			return nil
		}
	}
	return fmt.Errorf("it does not come to rest: after %d rounds at one moment there is still something to do", mostRounds)
}

// observe tells loops and nodes what happened.
func (s *Sandbox) observe(ctx context.Context) error {
	for {
		changes, err := s.feed.Poll()
		if err != nil || len(changes) == 0 {
			return err
		}
		for _, c := range changes {
			if c.Event.Section == proto.SectionMark {
				continue
			}
			for _, loop := range s.loops {
				if err := loop.Observe(c); err != nil {
					return err
				}
			}
			if err := s.tellNodes(ctx, c); err != nil {
				return err
			}
		}
	}
}

// next is when something is due.
func (s *Sandbox) next(now time.Time) time.Time {
	next := s.nodes.beat
	for _, loop := range s.loops {
		if in, ok := loop.Next(); ok && now.Add(in).Before(next) {
			next = now.Add(in)
		}
	}
	for _, n := range s.nodes.list {
		due, at := n.Due(now)
		if due {
			return now
		}
		if !at.IsZero() && at.Before(next) {
			next = at
		}
	}
	return next
}
