package bisect

import (
	"context"

	"segno/events"
	"segno/events/condition"
	"segno/proto"
)

// counter counts the objects that it is shown.
type counter struct {
	ctx     context.Context //nolint:containedctx // of one pass, that waits for its counters
	after   proto.Seq
	judges  []*judge
	numbers []int // as of after
	turns   []turn
	looked  int
}

func (c *counter) visit(s *events.Sighting) error {
	if !s.Shown {
		c.looked++
	}
	for _, j := range c.judges {
		before, now := j.stands && !s.New, false
		if !s.Deleted {
			var err error
			if now, err = j.counts(c.ctx, s); err != nil {
				return err
			}
		}
		j.stands = now
		switch {
		case now == before, s.Shown:
		case s.Seq <= c.after:
			c.numbers[j.index]++
		case now:
			c.turns = append(c.turns, turn{s.Seq, j.index, 1})
		default:
			c.turns = append(c.turns, turn{s.Seq, j.index, -1})
		}
	}
	return nil
}

// What verdicts are remembered: so many bytes of what they are of, and of an
// entry beside that.
const (
	verdictsMost  = 32 << 20
	verdictBeside = 64
)

// judge tells of one object whether it counts, by what matters of its encoding:
// of what is the same there, the same is true.
type judge struct {
	of               *condition.Count
	kind             *events.Kind
	index            int32
	stands           bool // the object that passes by counted last
	verdicts         map[string]bool
	remembered       int    // bytes of verdicts, about
	body             []byte // what matters of the spec, then of the status
	spec             int    // where the status begins
	specSeq, statSeq proto.Seq
}

func newJudge(of *condition.Count, index int) *judge {
	return &judge{of: of, kind: of.Kind, index: int32(index), verdicts: map[string]bool{}}
}

func (j *judge) counts(ctx context.Context, s *events.Sighting) (bool, error) {
	var ok bool
	fresh := s.New || s.SpecSeq != j.specSeq
	if fresh {
		if j.body, ok = j.of.Reads.Part.Trim(j.body[:0], s.Spec); !ok {
			return false, condition.ErrUncounted
		}
		j.spec = len(j.body)
	}
	if fresh || s.StatusSeq != j.statSeq {
		if j.body, ok = j.of.Reads.Part.Trim(j.body[:j.spec], s.Status); !ok {
			return false, condition.ErrUncounted
		}
	}
	j.specSeq, j.statSeq = s.SpecSeq, s.StatusSeq
	if known, ok := j.verdicts[string(j.body)]; ok {
		return known, nil
	}
	obj, err := j.kind.Decode(events.Sections{Spec: j.body})
	if err != nil {
		return false, condition.ErrUncounted
	}
	if j.of.Reads.Version {
		obj.SetResourceVersion(s.Seq.String())
		return j.of.Holds(ctx, obj)
	}
	verdict, err := j.of.Holds(ctx, obj)
	if err != nil {
		return false, err
	}
	if j.remembered += len(j.body) + verdictBeside; j.remembered > verdictsMost {
		clear(j.verdicts)
		j.remembered = len(j.body) + verdictBeside
	}
	j.verdicts[string(j.body)] = verdict
	return verdict, nil
}
