package condition

import (
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/common/types/traits"
)

// An expression costs one for each step of a loop, one for each object that it
// reads, and what joined texts and lists are long. CEL's own tracker looks at
// everything that was computed before at every step: loops over many objects
// take ten times as long with it.

// spend adds to what the evaluation has cost; ok is false when that is too much.
func (m *moment) spend(cost int) (ok bool) {
	if m.cost += cost; m.cost <= m.c.cfg.Cost {
		return true
	}
	m.failed(&Flaw{
		Text: m.c.text, What: "looking at everything that it names is too much work",
		Allowed: `fewer objects, as in objects("pods", "default"), and no loop within a loop over many`,
	})
	return false
}

// step implements @step: a loop goes on as long as its condition and the cost
// allow.
func step(state, condition ref.Val) ref.Val {
	if !state.(*moment).spend(1) {
		return types.False
	}
	return condition
}

// grown implements @grown: the sum of two texts or lists counts by its size.
func grown(state, sum ref.Val) ref.Val {
	size, ok := sum.(traits.Sizer)
	if !ok {
		return sum
	}
	const unit = 16 // bytes or elements that cost as much as a step
	if n, ok := size.Size().(types.Int); ok && !state.(*moment).spend(int(n)/unit) {
		return types.NewErr("too much work")
	}
	return sum
}
