package deployment

import (
	"cmp"
	"math"
	"slices"
)

// cleanUp removes the oldest of the old sets, as far as the revision history is
// longer than its limit and nothing is left of them.
func (p *plan) cleanUp() {
	limit := p.d.Spec.RevisionHistoryLimit
	if limit == nil || *limit == math.MaxInt32 {
		return
	}
	kept := slices.DeleteFunc(slices.Clone(p.old), func(s *set) bool { return s.rs.DeletionTimestamp != nil })
	slices.SortStableFunc(kept, func(a, b *set) int { return cmp.Compare(revisionOf(a.rs), revisionOf(b.rs)) })
	for i := range len(kept) - int(*limit) {
		rs := kept[i].rs
		if rs.Status.Replicas == 0 && kept[i].size() == 0 && rs.Generation <= rs.Status.ObservedGeneration {
			kept[i].remove = true
		}
	}
}
