package api

import (
	"context"
	"errors"
	"time"

	"segno/events"
	"segno/proto"
)

// maxWatch ends a watch whose client named no end; clients come back by themselves.
const maxWatch = time.Hour

// watch streams what happens to the selected objects. One in the past begins
// with what was there then, and goes on with what has happened since, up to now
// and on.
func (c *call) watch() error {
	a, chosen, opts, err := c.collection(true)
	if err != nil {
		return err
	}
	view, at, err := c.view()
	if err != nil {
		return err
	}
	if newest := c.api.cfg.Store.View(c.kind).Seq(); opts.version > newest {
		return tooLarge(opts.version, newest)
	}
	ctx, cancel := context.WithCancel(c.r.Context())
	defer cancel()
	stream := newWatchStream(c, chosen, a, cancel)
	defer stream.sink.close()
	from, err := stream.start(view, at, opts)
	if err != nil {
		return stream.end(err)
	}
	if opts.timeout == 0 {
		opts.timeout = maxWatch
	}
	ctx, cancel = context.WithTimeout(ctx, opts.timeout)
	defer cancel()
	return stream.end(stream.follow(ctx, from, opts.bookmarks))
}

// start sends the objects as they are, when the client wants them, and answers
// from where to follow.
func (s *watchStream) start(view events.View, at time.Time, opts listOptions) (proto.Seq, error) {
	initial := opts.version == 0
	if opts.sendInitial != nil {
		initial = *opts.sendInitial
	}
	if !initial {
		if opts.version == 0 {
			return view.Seq(), s.sink.flush()
		}
		return opts.version, s.sink.flush()
	}
	if err := s.initial(view, at); err != nil {
		return 0, err
	}
	if opts.sendInitial != nil && opts.bookmarks {
		if err := s.bookmark(view.Seq(), true); err != nil {
			return 0, err
		}
	}
	return view.Seq(), s.sink.flush()
}

func (s *watchStream) initial(view events.View, at time.Time) error {
	page, err := s.chosen.in(view, 0, proto.ObjectKey{})
	if err != nil {
		return err
	}
	s.at = at
	for _, item := range page.Items {
		if err := s.event(watchAdded, item); err != nil {
			return err
		}
	}
	return nil
}

// follow sends every change after from, until ctx ends. It flushes only when
// nothing more is there, so that a burst leaves in few packets.
func (s *watchStream) follow(ctx context.Context, from proto.Seq, bookmarks bool) error {
	feed, err := s.call.api.cfg.Store.Follow(s.chosen.kind, from)
	if err != nil {
		return s.failure(err)
	}
	defer feed.Close()
	s.feed = feed
	ended, cancel := context.WithCancel(ctx)
	cancel() // asks only for what is there
	for ctx.Err() == nil {
		wait, done := s.patience(ctx, bookmarks)
		err := s.relay(wait, ended)
		quiet := wait.Err() != nil
		done()
		if err == nil && quiet && bookmarks && ctx.Err() == nil {
			if err = s.bookmark(feed.Seen(), false); err == nil {
				err = s.sink.flush()
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// patience is how long to wait for a change before a bookmark is due.
func (s *watchStream) patience(ctx context.Context, bookmarks bool) (context.Context, context.CancelFunc) {
	if !bookmarks {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, s.call.api.cfg.BookmarkEvery)
}

// relay sends transactions until wait ends, which is no error.
func (s *watchStream) relay(wait, ended context.Context) error {
	for {
		changes, err := s.feed.Next(wait)
		for err == nil {
			if err := s.deliver(changes); err != nil {
				return err
			}
			changes, err = s.feed.Next(ended)
			if errors.Is(err, context.Canceled) {
				break
			}
		}
		switch {
		case wait.Err() != nil:
			return nil
		case !errors.Is(err, context.Canceled):
			return s.failure(err)
		}
		if err := s.sink.flush(); err != nil {
			return err
		}
	}
}

// deliver sends the selected ones of a transaction's changes.
func (s *watchStream) deliver(changes []events.Change) error {
	s.at = s.call.api.cfg.Now()
	for i := range changes {
		ch := &changes[i]
		if s.call.past != nil {
			s.at = ch.At // ages as they were then
		}
		if ch.After == nil || ch.After == ch.Before || !s.chosen.covers(ch.After.Key) {
			continue
		}
		if err := s.change(ch); err != nil {
			return err
		}
	}
	return nil
}
