package bisect

import (
	"context"
	"maps"
	"slices"

	"segno/events"
	"segno/proto"
)

// halves searches between a state in which it is not so, in which now stands, and
// the last one, if it is so there. Otherwise only a scan can tell.
func (f *finder) halves(ctx context.Context, now *standing) error {
	low, high := f.search.From-1, f.search.To
	between := newSpread(now)
	if err := now.moveAll(ctx, high); err != nil {
		return err
	}
	between.end(now)
	truth, err := f.holds(ctx, now)
	if err != nil {
		return err
	}
	if !truth {
		if err := now.moveAll(ctx, low); err != nil {
			return err
		}
		return f.scanStates(ctx, now)
	}
	f.answer.Method = ByHalves
	for high-low > 1 {
		middle := low + (high-low)/2
		if err := now.moveAmong(ctx, middle, between.keys); err != nil {
			return err
		}
		if truth, err = f.holds(ctx, now); err != nil {
			return err
		}
		if truth {
			high = middle
		} else {
			low = middle
		}
		between.narrow(now, truth)
	}
	f.answer.Found = high
	return nil
}

// spread is which objects of each list differ between the two ends of a search:
// no others can differ at a transaction between them. An object that was created and
// deleted again meanwhile does, too: its deletion is a version.
type spread struct {
	keys         [][]proto.ObjectKey
	lower, upper []map[proto.ObjectKey]events.VersionAt
}

// newSpread begins with all that there is at the lower end.
func newSpread(now *standing) *spread {
	s := &spread{keys: make([][]proto.ObjectKey, len(now.lists))}
	for _, r := range now.lists {
		s.lower = append(s.lower, maps.Clone(r.versions))
	}
	return s
}

// end is told what there is at the upper end.
func (s *spread) end(now *standing) {
	for i, r := range now.lists {
		s.upper = append(s.upper, maps.Clone(r.versions))
		s.keys[i] = []proto.ObjectKey{}
		for key := range s.upper[i] { // whatever was at the lower end is here, too, if deleted
			if s.lower[i][key] != s.upper[i][key] {
				s.keys[i] = append(s.keys[i], key)
			}
		}
		slices.SortFunc(s.keys[i], events.CompareKeys) // neighbours are cheap to read together
	}
}

// narrow makes where now stands the upper or the lower end.
func (s *spread) narrow(now *standing, upper bool) {
	for i, r := range now.lists {
		end := s.lower[i]
		if upper {
			end = s.upper[i]
		}
		left := s.keys[i][:0]
		for _, key := range s.keys[i] {
			if v, ok := r.versions[key]; ok {
				end[key] = v
			} else {
				delete(end, key)
			}
			if s.lower[i][key] != s.upper[i][key] {
				left = append(left, key)
			}
		}
		s.keys[i] = left
	}
}
