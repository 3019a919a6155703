package deployment

import (
	"cmp"
	"math"
	"slices"
)

// rescaled tells whether the Deployment asks for another number of replicas than
// when its sets got their sizes.
func (p *plan) rescaled() bool {
	for _, s := range active(p.all()) {
		if desired, ok := sizedFor(s.rs, desiredAnnotation); ok && desired != p.wanted() {
			return true
		}
	}
	return false
}

// scale spreads what the Deployment asks for over its sets. One set takes it
// all; in the middle of a rollout each takes its share, so that the risk of a
// new template that does not work stays what it was.
func (p *plan) scale() {
	if only := p.onlySet(); only != nil {
		p.resize(only, p.wanted())
		return
	}
	if p.saturated() {
		for _, s := range active(p.old) {
			p.resize(s, 0)
		}
		annotateSize(p.current.rs, p.wanted(), p.most())
		return
	}
	p.scaleInProportion(active(p.all()))
}

// onlySet is the one set that has replicas; where none has, the newest.
func (p *plan) onlySet() *set {
	switch sets := active(p.all()); {
	case len(sets) == 1:
		return sets[0]
	case len(sets) > 1:
		return nil
	case p.current != nil:
		return p.current
	case len(p.old) > 0:
		return p.old[len(p.old)-1]
	default:
		return nil
	}
}

// saturated tells whether the current set has and serves all that is wanted.
func (p *plan) saturated() bool {
	if p.current == nil {
		return false
	}
	desired, ok := sizedFor(p.current.rs, desiredAnnotation)
	return ok && desired == p.wanted() && p.current.size() == p.wanted() &&
		p.current.rs.Status.AvailableReplicas == p.wanted()
}

// scaleInProportion gives each set its share of what comes or goes, the largest
// first: newer ones before older ones when it grows, after them when it shrinks.
// What rounding leaves goes to the first.
func (p *plan) scaleInProportion(sets []*set) {
	if len(sets) == 0 {
		return
	}
	var most int32
	if p.wanted() > 0 {
		most = p.most()
	}
	change := most - sizeOf(sets)
	slices.SortStableFunc(sets, func(a, b *set) int {
		age := a.rs.CreationTimestamp.Compare(b.rs.CreationTimestamp.Time)
		if change > 0 {
			age = -age
		}
		return cmp.Or(cmp.Compare(b.size(), a.size()), age)
	})
	sizes := make([]int32, len(sets))
	left := change
	for i, s := range sets {
		share := p.share(s, left)
		sizes[i] = s.size() + share
		left -= share
	}
	sizes[0] = max(0, sizes[0]+left)
	for i, s := range sets {
		p.resize(s, sizes[i])
	}
}

// share is by how much a set changes when left is still to be given out: as
// much as keeps its part of the whole what it was before.
func (p *plan) share(s *set, left int32) int32 {
	if left == 0 {
		return 0
	}
	if p.wanted() == 0 {
		return max(-s.size(), left)
	}
	before, ok := sizedFor(s.rs, maxAnnotation)
	if !ok || before == 0 {
		before = p.d.Status.Replicas // nobody has noted it: as many as there were
	}
	if before == 0 {
		return 0
	}
	now := p.most()
	share := clamped(int64(math.Round(float64(s.size())*float64(now)/float64(before)))) - s.size()
	if left > 0 {
		return min(share, left)
	}
	return max(share, left)
}
