package condition

import (
	"fmt"
	"maps"
	"reflect"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/operators"
	"github.com/google/cel-go/common/types"

	"segno/events"
)

// counting puts numbers where lists are only counted.
type counting struct {
	rewriting
	found []tallied
}

// tallied is a count as it was found in the expression.
type tallied struct {
	kind  *events.Kind
	of    Collection
	steps []predicate
}

// predicate is what a loop asks of one object.
type predicate struct {
	variable string
	negated  bool
	of       ast.Expr
}

func (k *counting) names() map[string]bool {
	out := map[string]bool{}
	for i := range k.found {
		out[nameOf(i)] = true
	}
	return out
}

// nameOf is the variable of a number.
func nameOf(count int) string { return fmt.Sprintf("@count%d", count) }

// walk replaces what can be counted; what is within loops over objects is their
// own affair.
func (k *counting) walk(e ast.Expr) {
	switch e.Kind() {
	case ast.ComprehensionKind:
		if k.quantifier(e) {
			return
		}
	case ast.CallKind:
		if k.size(e) {
			return
		}
	default:
	}
	for _, child := range children(e) {
		k.walk(child)
	}
}

// quantifier replaces exists(), all() and exists_one() over objects.
func (k *counting) quantifier(e ast.Expr) bool {
	loop := e.AsComprehension()
	if loop.AccuInit().Kind() != ast.LiteralKind || loop.LoopStep().Kind() != ast.CallKind {
		return false
	}
	count, ok := k.listed(loop.IterRange())
	if !ok {
		return false
	}
	last := predicate{variable: loop.IterVar()}
	step := loop.LoopStep().AsCall()
	var compare string
	var with int64
	switch init := loop.AccuInit().AsLiteral(); {
	case init == types.False && step.FunctionName() == operators.LogicalOr:
		last.of, compare = step.Args()[1], operators.Greater
	case init == types.True && step.FunctionName() == operators.LogicalAnd:
		last.of, last.negated, compare = step.Args()[1], true, operators.Equals
	case init == types.Int(0) && step.FunctionName() == operators.Conditional:
		last.of, compare, with = step.Args()[0], operators.Equals, 1
	default:
		return false
	}
	if !closed(last.of, map[string]bool{last.variable: true}, false) {
		return false
	}
	count.steps = append(count.steps, last)
	number := k.number(e, count)
	e.SetKindCase(k.fac.NewCall(e.ID(), compare, number, k.fac.NewLiteral(k.id(e), types.Int(with))))
	return true
}

// size replaces size() of objects.
func (k *counting) size(e ast.Expr) bool {
	of := sized(e)
	if of == nil {
		return false
	}
	count, ok := k.listed(of)
	if ok {
		e.SetKindCase(k.number(e, count))
	}
	return ok
}

// sized is what size() is asked of; nil where it is not.
func sized(e ast.Expr) ast.Expr {
	if e.Kind() != ast.CallKind || e.AsCall().FunctionName() != "size" {
		return nil
	}
	if e.AsCall().IsMemberFunction() {
		return e.AsCall().Target()
	}
	return e.AsCall().Args()[0]
}

// number is a new count's.
func (k *counting) number(e ast.Expr, count tallied) ast.Expr {
	k.found = append(k.found, count)
	return k.fac.NewIdent(k.id(e), nameOf(len(k.found)-1))
}

// listed is a list of the state's objects, or those of them that filters let
// through.
func (k *counting) listed(e ast.Expr) (out tallied, ok bool) {
	switch e.Kind() {
	case ast.CallKind:
		if e.AsCall().FunctionName() != callList {
			return out, false
		}
		args := e.AsCall().Args()
		namespace, known := literal(args[2])
		if !known {
			return out, false
		}
		out.kind = k.c.kinds[args[1].AsLiteral().(types.Int)]
		out.of = Collection{Resource: out.kind.Resource, Namespace: namespace}
		return out, true
	case ast.ComprehensionKind:
		loop := e.AsComprehension()
		if !gathers(loop) {
			return out, false
		}
		if out, ok = k.listed(loop.IterRange()); !ok {
			return out, false
		}
		asked := predicate{variable: loop.IterVar(), of: loop.LoopStep().AsCall().Args()[0]}
		out.steps = append(out.steps, asked)
		return out, closed(asked.of, map[string]bool{asked.variable: true}, false)
	default:
		return out, false
	}
}

// closed tells whether an expression looks at nothing but these variables, and,
// where they are allowed, objects that are named by constants.
func closed(e ast.Expr, vars map[string]bool, named bool) bool {
	switch e.Kind() {
	case ast.IdentKind:
		return vars[e.AsIdent()] || e.AsIdent() == varState
	case ast.CallKind:
		switch e.AsCall().FunctionName() {
		case callList, callNamed:
			return false
		case callConst:
			return named
		}
	case ast.ComprehensionKind:
		loop := e.AsComprehension()
		inner := maps.Clone(vars)
		inner[loop.IterVar()], inner[loop.AccuVar()] = true, true
		vars = inner
	default:
	}
	for _, child := range children(e) {
		if !closed(child, vars, named) {
			return false
		}
	}
	return true
}

// count compiles what was found; fresh parses the text once more, to have the
// tree that a program is made of.
func (c *Condition) count(found tallied, env *cel.Env, fresh func() (*cel.Ast, error)) (*Count, error) {
	out := &Count{Of: found.of, Kind: found.kind, c: c, Reads: Reads{Part: &events.Part{}}}
	for _, p := range found.steps {
		parsed, err := fresh()
		if err != nil {
			return nil, err
		}
		parsed.NativeRep().Expr().SetKindCase(p.of)
		program, err := programOf(env, parsed, cel.Variable(p.variable, cel.DynType))
		if err != nil {
			return nil, err
		}
		object := place{root: true, part: out.Reads.Part, of: reflect.TypeOf(found.kind.New()).Elem()}
		out.Reads.reads(p.of, map[string]place{p.variable: object})
		out.steps = append(out.steps, test{variable: p.variable, negated: p.negated, program: program})
	}
	return out, nil
}
