package explain

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"segno/proto"
)

// mostEffects bounds how many transactions are counted.
const mostEffects = 100_000

// Effects is where what followed from a transaction is looked up.
type Effects interface {
	// Effects are the transactions that one caused, directly.
	Effects(seq proto.Seq) ([]proto.Seq, error)
	// Transaction answers nil for one that is not, or no longer, there.
	Transaction(seq proto.Seq) (*proto.Envelope, error)
}

// Bounds say how much of what followed is listed. All of it is counted.
type Bounds struct {
	Last  proto.Seq // nothing behind it has happened yet
	Depth int       // steps from the change; 0 is any
	Limit int       // transactions; 0 is any
}

// Blast is everything that followed from one change.
type Blast struct {
	Root *Wave
	// Transactions that followed, and their events, by kind and fact, the most
	// frequent first.
	Transactions, Events int
	Counts               []Count
	// Newest is the last transaction of them; nil when nothing followed.
	Newest *proto.Envelope
	Took   time.Duration // from the change to Newest
	Depth  int           // steps to the farthest of them
	// More tells that there were too many to count.
	More bool
}

// Wave is a transaction and what followed from it.
type Wave struct {
	Transaction *proto.Envelope
	Effects     []*Wave
	LeftOut     int // transactions below that are not listed
}

// Count is how often something happened to objects of a kind.
type Count struct {
	Resource proto.Resource
	Fact     string
	Times    int
}

// Spread follows the effects of a transaction; nil when there is no such one.
func Spread(ctx context.Context, past Effects, seq proto.Seq, bounds Bounds) (*Blast, error) {
	root, err := past.Transaction(seq)
	if err != nil || root == nil {
		return nil, err
	}
	s := &spread{past: past, bounds: bounds, counts: map[Count]int{}, blast: &Blast{Root: &Wave{Transaction: root}}}
	s.walked = []step{{seq: seq, parent: -1, wave: s.blast.Root}}
	for i := 0; i < len(s.walked); i++ {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if err := s.follow(i); err != nil {
			return nil, fmt.Errorf("what followed from %s: %w", s.walked[i].seq, err)
		}
	}
	s.sum(root)
	return s.blast, nil
}

// step is a transaction on the way; its wave is nil when it is not listed.
type step struct {
	seq    proto.Seq
	parent int
	depth  int
	wave   *Wave
}

type spread struct {
	past   Effects
	bounds Bounds
	walked []step // breadth first: what is nearest is listed first
	listed int
	counts map[Count]int
	blast  *Blast
}

// follow adds what followed from a node directly.
func (s *spread) follow(i int) error {
	effects, err := s.past.Effects(s.walked[i].seq)
	if err != nil {
		return err
	}
	for _, seq := range effects {
		if s.bounds.Last > 0 && seq > s.bounds.Last {
			continue
		}
		if len(s.walked) > mostEffects {
			s.blast.More = true
			return nil
		}
		env, err := s.past.Transaction(seq)
		if err != nil {
			return err
		}
		if env == nil {
			continue
		}
		s.add(i, env)
	}
	return nil
}

func (s *spread) add(parent int, env *proto.Envelope) {
	above := &s.walked[parent]
	n := step{seq: env.Seq, parent: parent, depth: above.depth + 1}
	within := (s.bounds.Depth == 0 || n.depth <= s.bounds.Depth) && (s.bounds.Limit == 0 || s.listed < s.bounds.Limit)
	if above.wave != nil && within {
		n.wave = &Wave{Transaction: env}
		above.wave.Effects = append(above.wave.Effects, n.wave)
		s.listed++
	}
	s.walked = append(s.walked, n)
	b := s.blast
	b.Transactions++
	b.Depth = max(b.Depth, n.depth)
	if b.Newest == nil || env.Seq > b.Newest.Seq {
		b.Newest = env
	}
	for i := range env.Events {
		ev := &env.Events[i]
		b.Events++
		s.counts[Count{Resource: ev.Key.Resource, Fact: ev.Kind}]++
	}
}

// sum counts what is not listed, and ranks the counts.
func (s *spread) sum(root *proto.Envelope) {
	below := make([]int, len(s.walked))
	for i := len(s.walked) - 1; i > 0; i-- {
		n := s.walked[i]
		below[n.parent] += below[i] + 1
		if n.wave == nil {
			if parent := s.walked[n.parent].wave; parent != nil {
				parent.LeftOut += below[i] + 1
			}
		}
	}
	for count, n := range s.counts {
		count.Times = n
		s.blast.Counts = append(s.blast.Counts, count)
	}
	slices.SortFunc(s.blast.Counts, func(a, b Count) int {
		return cmp.Or(cmp.Compare(b.Times, a.Times), cmp.Compare(a.Resource.String(), b.Resource.String()), cmp.Compare(a.Fact, b.Fact))
	})
	if s.blast.Newest != nil {
		s.blast.Took = s.blast.Newest.At.Sub(root.At)
	}
}

// NewestWish finds the newest change that a person made to what is wanted of an
// object, its deletion included; nil when no person has, as far as versions were
// looked at. known tells that there is, or was, such an object.
func NewestWish(past Past, key proto.ObjectKey, last proto.Seq) (wish *proto.Envelope, known bool, err error) {
	q := newQuery(Ask{Past: past, Key: key})
	for v, err := range q.versions(key, last) {
		if err != nil {
			return nil, false, err
		}
		known = true
		if v.Envelope.Actor.Person() && slices.ContainsFunc(v.Envelope.Events, func(ev proto.Event) bool {
			return ev.Key == key && (ev.Section == proto.SectionSpec || ev.Section == proto.SectionGone)
		}) {
			return v.Envelope, true, nil
		}
	}
	return nil, known, nil
}
