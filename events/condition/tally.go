package condition

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"

	"segno/events"
)

// Tally is a condition as one on numbers of objects: each list that it names is
// only counted, by what is true of one object alone. Then one change of an object
// changes the numbers by one, and nothing else needs to be looked at.
type Tally struct {
	Counts  []*Count
	names   map[string]int // of the numbers that stand for them
	c       *Condition
	program cel.Program
}

// Count is the number of objects of a collection of which something is true.
type Count struct {
	Of    Collection
	Kind  *events.Kind
	Reads Reads // in each of them
	steps []test
	c     *Condition
}

// test is an expression about one object.
type test struct {
	variable string
	negated  bool
	program  cel.Program
}

// ErrUncounted says that something cannot be told of one object alone. Of all of
// them together it may be: one that is true makes up for one that cannot be told.
var ErrUncounted = errors.New("this is not told by counting")

// Tally is the condition as one on numbers; nil when it is none.
func (c *Condition) Tally() (*Tally, error) {
	if c.depends.Event || len(c.depends.Lists) == 0 {
		return nil, nil
	}
	parse, env, err := c.reparse()
	if err != nil {
		return nil, err
	}
	parsed, own, err := parse()
	if err != nil {
		return nil, err
	}
	k := &counting{rewriting: newRewriting(own, parsed.NativeRep())}
	k.walk(parsed.NativeRep().Expr())
	if !closed(parsed.NativeRep().Expr(), k.names(), true) {
		return nil, nil
	}
	out := &Tally{c: own, names: map[string]int{}}
	var vars []cel.EnvOption
	for i, found := range k.found {
		count, err := own.count(found, env, func() (*cel.Ast, error) { ast, _, err := parse(); return ast, err })
		if err != nil {
			return nil, err
		}
		out.Counts = append(out.Counts, count)
		out.names[nameOf(i)] = i
		vars = append(vars, cel.Variable(nameOf(i), cel.IntType))
	}
	if out.program, err = programOf(env, parsed, vars...); err != nil {
		return nil, err
	}
	return out, nil
}

// reparse answers what reads the text again, each time into a condition of its own.
func (c *Condition) reparse() (parse func() (*cel.Ast, *Condition, error), env *cel.Env, err error) {
	if env, err = c.language(); err != nil {
		return nil, nil, fmt.Errorf("set up the language of conditions: %w", err)
	}
	return func() (*cel.Ast, *Condition, error) {
		own := &Condition{text: c.text, cfg: c.cfg, adapter: c.adapter}
		parsed, issues := env.Parse(c.text)
		if issues.Err() != nil {
			return nil, nil, c.flawOf(issues)
		}
		return parsed, own, own.rewrite(parsed.NativeRep())
	}, env, nil
}

func programOf(env *cel.Env, parsed *cel.Ast, vars ...cel.EnvOption) (cel.Program, error) {
	env, err := env.Extend(vars...)
	if err != nil {
		return nil, fmt.Errorf("set up the language of counts: %w", err)
	}
	checked, issues := env.Check(parsed)
	if issues.Err() != nil {
		return nil, fmt.Errorf("check a count: %w", issues.Err())
	}
	return env.Program(checked, cel.EvalOptions(cel.OptOptimize), cel.InterruptCheckFrequency(interruptEvery))
}

// Holds tells whether the condition is true of a state with these numbers; only
// objects that are named by constants are read of it. The error is ErrUncounted
// unless the context has ended.
func (t *Tally) Holds(ctx context.Context, state State, numbers []int) (bool, error) {
	m := &counted{moment: t.c.momentOf(ctx, state), names: t.names, numbers: numbers}
	return told(ctx, m.moment, t.program, m)
}

// told evaluates what is told of numbers, or of one object.
func told(ctx context.Context, m *moment, program cel.Program, vars cel.Activation) (bool, error) {
	value, _, err := program.ContextEval(ctx, vars)
	truth, ok := value.(types.Bool)
	switch {
	case ctx.Err() != nil:
		return false, context.Cause(ctx)
	case m.err != nil || err != nil || !ok:
		return false, ErrUncounted
	default:
		return bool(truth), nil
	}
}

// counted is an evaluation with numbers.
type counted struct {
	*moment
	names   map[string]int
	numbers []int
}

// ResolveName implements cel.Activation.
func (c *counted) ResolveName(name string) (any, bool) {
	if at, ok := c.names[name]; ok {
		return types.Int(c.numbers[at]), true
	}
	return c.moment.ResolveName(name)
}

// Holds tells whether an object counts. The error is ErrUncounted unless the
// context has ended.
func (c *Count) Holds(ctx context.Context, obj events.Object) (bool, error) {
	m := &single{moment: c.c.momentOf(ctx, nil), object: c.c.adapter.object(obj)}
	for _, step := range c.steps {
		m.variable = step.variable
		if truth, err := told(ctx, m.moment, step.program, m); err != nil || truth == step.negated {
			return false, err
		}
	}
	return true, nil
}

// single is an evaluation about one object.
type single struct {
	*moment
	variable string
	object   ref.Val
}

// ResolveName implements cel.Activation.
func (s *single) ResolveName(name string) (any, bool) {
	if name == s.variable {
		return s.object, true
	}
	return s.moment.ResolveName(name)
}
