package bisect

import (
	"context"

	"segno/events"
	"segno/events/condition"
	"segno/proto"
)

// scanStates looks at the state after every transaction that touched what the
// condition depends on. now stands before the first one.
func (f *finder) scanStates(ctx context.Context, now *standing) error {
	f.answer.Method = ByScan
	for env, err := range f.log.Events(ctx, f.search.From, f.search.To) {
		if err != nil {
			return err
		}
		touched := touchedBy(env, f.depends)
		if len(touched) == 0 {
			continue
		}
		if err := now.moveTouched(ctx, env.Seq, touched); err != nil {
			return err
		}
		truth, err := f.holds(ctx, now)
		if err != nil {
			return err
		}
		if f.turn(env.Seq, truth) {
			return nil
		}
	}
	return nil
}

func touchedBy(env *proto.Envelope, depends condition.Depends) (out []proto.ObjectKey) {
	for i := range env.Events {
		if ev := &env.Events[i]; ev.Section != proto.SectionMark && depends.Touches(ev.Key) {
			out = append(out, ev.Key)
		}
	}
	return out
}

// scanEvents looks at every event of every transaction.
func (f *finder) scanEvents(ctx context.Context) error {
	f.answer.Method = ByScan
	for env, err := range f.log.Events(ctx, f.search.From, f.search.To) {
		if err != nil {
			return err
		}
		at, err := FirstEvent(ctx, f.log, f.search.When, env)
		f.answer.Looked += len(env.Events)
		if err != nil {
			return err
		}
		if at >= 0 {
			f.answer.Found, f.answer.Event = env.Seq, at
			return nil
		}
	}
	return nil
}

// FirstEvent is the first event of a transaction that a condition on events is
// true of, -1 when it is true of none. Objects are as they were before and after
// the transaction.
func FirstEvent(ctx context.Context, log Past, when *condition.Condition, env *proto.Envelope) (int, error) {
	after := &lazily{log: log, seq: env.Seq}
	before := &lazily{log: log, seq: env.Seq - 1}
	for i := range env.Events {
		ev := &env.Events[i]
		truth, err := when.Holds(ctx, after, &condition.Occurrence{
			Envelope: env, Event: ev,
			Before: func() (events.Object, error) { return before.Get(ev.Key) },
			After:  func() (events.Object, error) { return after.Get(ev.Key) },
		})
		if err != nil || truth {
			return i, err
		}
	}
	return -1, nil
}

// lazily is a state that is looked up only when the condition reads it.
type lazily struct {
	log Past
	seq proto.Seq
}

// Get implements condition.State.
func (l *lazily) Get(key proto.ObjectKey) (events.Object, error) {
	if key.Name == "" {
		return nil, nil // an event about the log itself
	}
	view, err := l.log.At(l.seq)
	if err != nil {
		return nil, err
	}
	return view.Get(key)
}

// List implements condition.State.
func (l *lazily) List(query events.Query) (events.Page, error) {
	view, err := l.log.At(l.seq)
	if err != nil {
		return events.Page{}, err
	}
	return view.List(query)
}
