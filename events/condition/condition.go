package condition

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/interpreter"

	"segno/events"
	"segno/proto"
)

// Bounds of one expression; cost.go says what costs.
const (
	maxText  = 4096 // characters
	maxNodes = 1000
	maxDepth = 50

	defaultCost = 5_000_000

	interruptEvery = 256 // of cost, between looks at the context
)

// Config says what an expression is compiled for.
type Config struct {
	Table     *events.Table // kinds that it may name; required
	Stream    string        // whose objects have states to look at; default EVENTS
	Namespace string        // of objects that are named without one; default "default"
	Cost      int           // that an evaluation may have; default 5,000,000, a few seconds at most
}

// State is the cluster as of a moment, as much of it as an expression reads. An
// events.View is one.
type State interface {
	Get(key proto.ObjectKey) (events.Object, error)
	List(query events.Query) (events.Page, error)
}

// Condition is a compiled expression. It may be used by several goroutines.
type Condition struct {
	text    string
	cfg     Config
	adapter adapter
	depends Depends
	named   []proto.ObjectKey // @object's argument is an index of it
	kinds   []*events.Kind    // and those of @named and @objects of it
	program cel.Program
	ast     *cel.Ast
}

// Compile reads an expression. The error is a *Flaw when the text is to blame.
func Compile(cfg Config, text string) (*Condition, error) {
	if cfg.Table == nil {
		return nil, errors.New("compile a condition: a table of kinds is needed")
	}
	if cfg.Stream == "" {
		cfg.Stream = proto.StreamEvents
	}
	if cfg.Namespace == "" {
		cfg.Namespace = "default"
	}
	if cfg.Cost == 0 {
		cfg.Cost = defaultCost
	}
	if strings.TrimSpace(text) == "" {
		return nil, &Flaw{Text: text, Column: 1, What: "the expression is empty", Allowed: usage}
	}
	if len([]rune(text)) > maxText {
		return nil, &Flaw{What: fmt.Sprintf("the expression is longer than %d characters", maxText)}
	}
	c := &Condition{text: text, cfg: cfg, adapter: adapterOf(cfg.Table)}
	env, err := c.language()
	if err != nil {
		return nil, fmt.Errorf("set up the language of conditions: %w", err)
	}
	if err := c.compile(env); err != nil {
		return nil, err
	}
	return c, nil
}

func (c *Condition) compile(env *cel.Env) error {
	parsed, issues := env.Parse(c.text)
	if issues.Err() != nil {
		return c.flawOf(issues)
	}
	checked, issues := env.Check(parsed)
	if issues.Err() != nil {
		return c.flawOf(issues)
	}
	if out := checked.OutputType(); !out.IsExactType(cel.BoolType) && !out.IsExactType(cel.DynType) {
		return &Flaw{Text: c.text, Column: 1, What: fmt.Sprintf("the expression is a %s", out), Allowed: "one that is true or false: compare it with something"}
	}
	tree := parsed.NativeRep()
	if err := c.checkFields(tree); err != nil {
		return err
	}
	if err := c.rewrite(tree); err != nil {
		return err
	}
	if c.ast, issues = env.Check(parsed); issues.Err() != nil {
		return c.flawOf(issues)
	}
	var err error
	c.program, err = env.Program(c.ast,
		cel.EvalOptions(cel.OptOptimize), cel.InterruptCheckFrequency(interruptEvery))
	if err != nil {
		return &Flaw{Text: c.text, What: err.Error()}
	}
	return nil
}

// String is the expression's text.
func (c *Condition) String() string { return c.text }

// Depends tells what the expression looks at.
func (c *Condition) Depends() Depends { return c.depends }

// Holds tells whether the expression is true of a state, and of what happened
// to make it so; what is nil for an expression that does not depend on it. The
// error is a *Flaw when the expression is to blame.
func (c *Condition) Holds(ctx context.Context, state State, what *Occurrence) (bool, error) {
	m := c.momentOf(ctx, state)
	m.what = what
	value, _, err := c.program.ContextEval(ctx, m)
	switch {
	case m.err != nil:
		return false, m.err
	case errors.Is(err, interpreter.InterruptError{}):
		return false, fmt.Errorf("evaluate %q: %w", c.text, context.Cause(ctx))
	case err != nil:
		return false, c.failed(err)
	}
	truth, ok := value.(types.Bool)
	if !ok {
		return false, &Flaw{Text: c.text, Column: 1, What: fmt.Sprintf("the expression is a %s", value.Type().TypeName()), Allowed: "one that is true or false: compare it with something"}
	}
	return bool(truth), nil
}
