package condition

import (
	"fmt"

	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/common/types/traits"
)

// An expression costs one for each step of a loop, one for each object that it
// reads, one for each element that a comparison of lists looks at, and what texts
// and lists are long that are joined, converted or searched. CEL's own tracker looks at
// everything that was computed before at every step: loops over many objects
// take ten times as long with it.

// spend adds to what the evaluation has cost; ok is false when that is too much.
func (m *moment) spend(cost int) (ok bool) {
	looked := m.cost / interruptEvery
	if m.cost += cost; m.cost <= m.c.cfg.Cost {
		if m.cost/interruptEvery == looked || m.ended() == nil {
			return true
		}
		m.failed(fmt.Errorf("evaluate %q: %w", m.c.text, m.ended()))
		return false
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

// tooMuch is what spend has told already.
func tooMuch() ref.Val { return types.NewErr("too much work") }

// grown implements @grown: what is joined, converted or searched counts by its
// size.
func grown(state, sum ref.Val) ref.Val {
	size, ok := sum.(traits.Sizer)
	if !ok {
		return sum
	}
	const unit = 16 // bytes or elements that cost as much as a step
	if n, ok := size.Size().(types.Int); ok && !state.(*moment).spend(int(n)/unit) {
		return tooMuch()
	}
	return sum
}

// equal implements @equal: == of which each element counts.
func equal(args ...ref.Val) ref.Val { return args[0].(*moment).equal(args[1], args[2]) }

func (m *moment) equal(a, b ref.Val) ref.Val {
	if !m.spend(1) {
		return tooMuch()
	}
	switch a := a.(type) {
	case traits.Lister:
		if b, ok := b.(traits.Lister); ok {
			return m.equalLists(a, b)
		}
	case traits.Mapper:
		if b, ok := b.(traits.Mapper); ok {
			return m.equalMaps(a, b)
		}
	}
	return types.Equal(a, b)
}

func (m *moment) equalLists(a, b traits.Lister) ref.Val {
	size := a.Size().(types.Int)
	if b.Size() != size {
		return types.False
	}
	for i := range size {
		if same := m.equal(a.Get(i), b.Get(i)); same != types.True {
			return same
		}
	}
	return types.True
}

func (m *moment) equalMaps(a, b traits.Mapper) ref.Val {
	if a.Size() != b.Size() {
		return types.False
	}
	for it := a.Iterator(); it.HasNext() == types.True; {
		key := it.Next()
		other, ok := b.Find(key)
		if !ok {
			return types.False
		}
		if same := m.equal(a.Get(key), other); same != types.True {
			return same
		}
	}
	return types.True
}

// among implements @among: in, of which each element of a list counts.
func among(args ...ref.Val) ref.Val {
	m, what := args[0].(*moment), args[1]
	switch all := args[2].(type) {
	case traits.Lister:
		for i := range all.Size().(types.Int) {
			if same := m.equal(what, all.Get(i)); same != types.False {
				return same
			}
		}
		return types.False
	case traits.Container:
		return all.Contains(what)
	default:
		return types.MaybeNoSuchOverloadErr(args[2])
	}
}
