package bisect

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"segno/events"
	"segno/events/condition"
	"segno/proto"
)

// tallied searches with numbers of objects, if the condition is one on numbers:
// each version is looked at once, and alone. done is false when that did not tell;
// then nothing has been found.
func (f *finder) tallied(ctx context.Context) (done bool, err error) {
	tally, err := f.search.When.Tally()
	if tally == nil || err != nil {
		return false, err
	}
	before := f.answer
	if err = f.tally(ctx, tally); errors.Is(err, condition.ErrUncounted) {
		f.answer = before
		return false, nil
	}
	return err == nil, err
}

func (f *finder) tally(ctx context.Context, tally *condition.Tally) error {
	f.answer.Method = ByScan
	numbers, turns, err := f.count(ctx, tally)
	if err != nil {
		return err
	}
	named := &named{log: f.log, objects: map[proto.ObjectKey]events.Object{}}
	for _, key := range f.depends.Objects {
		at, err := f.log.ChangedAt(key, f.search.From-1, f.search.To)
		if err != nil {
			return err
		}
		for _, seq := range at {
			turns = append(turns, turn{seq: seq, count: -1})
		}
	}
	slices.SortFunc(turns, func(a, b turn) int { return cmp.Compare(a.seq, b.seq) })
	named.seq = f.search.From - 1
	truth, err := tally.Holds(ctx, named, numbers)
	if err != nil {
		return err
	}
	f.answer.Already = truth != f.search.Stopped
	for len(turns) > 0 {
		seq, same := turns[0].seq, 0
		for ; same < len(turns) && turns[same].seq == seq; same++ {
			if t := turns[same]; t.count < 0 {
				named.move(seq)
			} else {
				numbers[t.count] += int(t.by)
			}
		}
		turns = turns[same:]
		truth, err := tally.Holds(ctx, named, numbers)
		if err != nil {
			return err
		}
		if f.turn(seq, truth != f.search.Stopped) {
			return nil
		}
	}
	return nil
}

// turn is a change of a number by one; or, where count is negative, of an object
// that is named.
type turn struct {
	seq   proto.Seq
	count int32
	by    int32
}

// named are the objects that a condition names, as they are between two changes.
type named struct {
	log     Past
	seq     proto.Seq
	objects map[proto.ObjectKey]events.Object
}

func (n *named) move(seq proto.Seq) {
	n.seq = seq
	clear(n.objects)
}

// Get implements condition.State.
func (n *named) Get(key proto.ObjectKey) (events.Object, error) {
	if obj, ok := n.objects[key]; ok {
		return obj, nil
	}
	view, err := n.log.At(n.seq)
	if err != nil {
		return nil, err
	}
	obj, err := view.Get(key)
	if err == nil {
		n.objects[key] = obj
	}
	return obj, err
}

// List implements condition.State; what is listed is counted instead.
func (n *named) List(events.Query) (events.Page, error) {
	return events.Page{}, condition.ErrUncounted
}

// count counts what there is before the search, and what every transaction
// changes of the numbers.
func (f *finder) count(ctx context.Context, tally *condition.Tally) (numbers []int, turns []turn, err error) {
	numbers = make([]int, len(tally.Counts))
	for _, of := range f.depends.Lists {
		var all []*counter
		visitor := func() func(*events.Sighting) error {
			c := &counter{ctx: ctx, after: f.search.From - 1, numbers: make([]int, len(numbers))}
			for i, count := range tally.Counts {
				if count.Of == of {
					c.judges = append(c.judges, newJudge(count, i))
				}
			}
			all = append(all, c)
			return c.visit
		}
		if err := f.log.PassBy(ctx, of.Resource, of.Namespace, f.search.From-1, f.search.To, visitor); err != nil {
			return nil, nil, err
		}
		for _, c := range all {
			for i, n := range c.numbers {
				numbers[i] += n
			}
			turns = append(turns, c.turns...)
			f.answer.Looked += c.looked
		}
	}
	return numbers, turns, nil
}
