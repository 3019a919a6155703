package deployment

import (
	"math"

	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// wanted is how many replicas the Deployment asks for.
func (p *plan) wanted() int32 {
	if p.d.Spec.Replicas == nil {
		return 1
	}
	return *p.d.Spec.Replicas
}

// fenceposts are how many replicas there may be above what is wanted (a
// percentage rounds up) and how many may be missing (it rounds down). Both
// cannot be zero, or nothing could ever move: then one may be missing.
func (p *plan) fenceposts() (surge, missing int32) {
	rolling := p.d.Spec.Strategy.RollingUpdate
	if p.d.Spec.Strategy.Type == appsv1.RecreateDeploymentStrategyType || rolling == nil {
		return 0, 0
	}
	surge = resolve(rolling.MaxSurge, p.wanted(), true)
	missing = resolve(rolling.MaxUnavailable, p.wanted(), false)
	if surge == 0 && missing == 0 {
		missing = 1
	}
	return surge, min(missing, p.wanted())
}

// resolve reads a number or a percentage of total. Validation has seen it; what
// cannot be read counts as zero.
func resolve(value *intstr.IntOrString, total int32, up bool) int32 {
	n, err := intstr.GetScaledValueFromIntOrPercent(intstr.ValueOrDefault(value, intstr.FromInt32(0)), int(total), up)
	if err != nil {
		return 0
	}
	return clamped(int64(n))
}

// most is how many replicas there may be altogether, as far as that can be counted.
func (p *plan) most() int32 {
	surge, _ := p.fenceposts()
	return clamped(int64(p.wanted()) + int64(surge))
}

// clamped is a number of replicas that may be more than can be counted.
func clamped(n int64) int32 { return int32(max(math.MinInt32, min(n, math.MaxInt32))) }

// roomForCurrent is the size that the current set may have by now: up to what
// is wanted, as long as all sets together stay within the surge.
func (p *plan) roomForCurrent() int32 {
	size := p.current.size()
	if p.d.Spec.Strategy.Type == appsv1.RecreateDeploymentStrategyType {
		return p.wanted()
	}
	room := p.most() - sizeOf(p.all())
	if room <= 0 {
		return size
	}
	return size + min(room, p.wanted()-size)
}

// rollOver grows the current set and shrinks the old ones, in turn, for as long
// as the fenceposts leave room.
func (p *plan) rollOver() error {
	if err := p.ensureCurrent(); err != nil {
		return err
	}
	for p.grow() || p.shrink() {
		continue
	}
	return nil
}

// grow gives the current set what room there is; more than is wanted is taken
// away again.
func (p *plan) grow() bool {
	to := p.current.size()
	if to > p.wanted() {
		to = p.wanted()
	} else {
		to = p.roomForCurrent()
	}
	if to == p.current.size() {
		return false
	}
	p.resize(p.current, to)
	return true
}

// shrink takes replicas from the old sets: first those that do not serve anyway,
// then as many as can be missed.
func (p *plan) shrink() bool {
	old := active(p.old)
	if len(old) == 0 {
		return false
	}
	_, missing := p.fenceposts()
	least := p.wanted() - missing
	notYet := p.current.size() - p.current.rs.Status.AvailableReplicas
	most := sizeOf(p.all()) - least - notYet
	if most <= 0 {
		return false
	}
	useless := p.shrinkUseless(old, most)
	return p.shrinkServing(old, least) || useless
}

// shrinkUseless takes away replicas that are not available, up to most.
func (p *plan) shrinkUseless(old []*set, most int32) (changed bool) {
	for _, s := range old {
		useless := min(s.size()-s.rs.Status.AvailableReplicas, most)
		if useless <= 0 {
			continue
		}
		p.resize(s, s.size()-useless)
		most -= useless
		changed = true
	}
	return changed
}

// shrinkServing takes away replicas as long as least of all stay available.
func (p *plan) shrinkServing(old []*set, least int32) (changed bool) {
	spare := available(p.all()) - least - p.leaving()
	for _, s := range old {
		take := min(s.size(), spare)
		if take <= 0 {
			continue
		}
		p.resize(s, s.size()-take)
		spare -= take
		changed = true
	}
	return changed
}

// leaving counts replicas that are available but already more than their set is
// to have: they are on their way out.
func (p *plan) leaving() (sum int32) {
	for _, s := range p.all() {
		sum += max(0, s.rs.Status.AvailableReplicas-s.size())
	}
	return sum
}
