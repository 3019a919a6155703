package condition

import (
	"slices"
	"strings"

	"github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/operators"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
)

// Things that do not exist have one rule. A comparison or a test (== != < <= > >=
// in has() .contains() .startsWith() .endsWith() .matches()) with something
// missing is false, and so is a missing field, or a loop over one, where a truth
// is needed: in && || ! ?: and as the whole. Comparing with null asks whether
// something is missing. Everything else passes what is missing on.
//
// CEL has errors where something is missing. So each place that ends one is
// wrapped in @holds, which turns that kind of error into false.

// comparisons end what is missing.
var comparisons = []string{
	operators.Equals, operators.NotEquals, operators.Less, operators.LessEquals, operators.Greater, operators.GreaterEquals,
	operators.In, "contains", "startsWith", "endsWith", "matches",
}

// conversions copy what they are given.
var conversions = []string{"string", "bytes"}

// connectives take truths.
var connectives = []string{operators.LogicalAnd, operators.LogicalOr, operators.LogicalNot}

// rewriting replaces calls of object() and objects() by what they name, and
// wraps comparisons.
type rewriting struct {
	c    *Condition
	tree *ast.AST
	fac  ast.ExprFactory
	next int64
	flaw *Flaw
}

func newRewriting(c *Condition, tree *ast.AST) rewriting {
	return rewriting{c: c, tree: tree, fac: ast.NewExprFactory(), next: ast.MaxID(tree) + 1}
}

func (c *Condition) rewrite(tree *ast.AST) error {
	r := newRewriting(c, tree)
	r.visit(tree.Expr())
	r.truth(tree.Expr())
	if r.flaw != nil {
		r.flaw.Text = c.text
		return r.flaw
	}
	return nil
}

// found keeps the first flaw.
func (r *rewriting) found(e ast.Expr, flaw *Flaw) {
	if r.flaw == nil {
		at := r.tree.SourceInfo().GetStartLocation(e.ID())
		flaw.Column = r.c.column(at.Line(), at.Column())
		r.flaw = flaw
	}
}

// id is a new node's; it stands where e does.
func (r *rewriting) id(e ast.Expr) int64 {
	r.next++
	if at, ok := r.tree.SourceInfo().GetOffsetRange(e.ID()); ok {
		r.tree.SourceInfo().SetOffsetRange(r.next, at)
	}
	return r.next
}

// wrap puts a call around e, in its place.
func (r *rewriting) wrap(e ast.Expr, function string) {
	inner := r.fac.NewUnspecifiedExpr(r.id(e))
	inner.SetKindCase(e)
	e.SetKindCase(r.fac.NewCall(e.ID(), function, inner))
}

func (r *rewriting) wrapWithState(e ast.Expr, function string) {
	r.wrap(e, function)
	inner := e.AsCall().Args()[0]
	e.SetKindCase(r.fac.NewCall(e.ID(), function, r.state(e), inner))
}

// gathered tells whether something is what a loop has gathered so far.
func gathered(e ast.Expr) bool {
	return e.Kind() == ast.IdentKind && strings.HasPrefix(e.AsIdent(), "@")
}

// visit works from the leaves up.
func (r *rewriting) visit(e ast.Expr) {
	for _, child := range children(e) {
		r.visit(child)
	}
	switch e.Kind() {
	case ast.IdentKind:
		r.ident(e.AsIdent())
	case ast.SelectKind:
		if e.AsSelect().IsTestOnly() {
			r.wrap(e, callHolds)
		}
	case ast.CallKind:
		r.call(e)
	case ast.ComprehensionKind:
		r.wrapWithState(e.AsComprehension().LoopCondition(), callStep)
	default:
	}
}

func (r *rewriting) ident(name string) {
	switch name {
	case varBefore, varAfter:
		r.c.depends.Sides = true
		r.c.depends.Event = true
	case varEvent:
		r.c.depends.Event = true
	}
}

func (r *rewriting) call(e ast.Expr) {
	call := e.AsCall()
	name := call.FunctionName()
	switch {
	case name == callObject:
		r.object(e, call.Args())
	case name == callObjects:
		r.objects(e, call.Args())
	case name == operators.Equals && r.withNull(call.Args()) != nil:
		r.existence(e, r.withNull(call.Args()))
	case name == operators.NotEquals && r.withNull(call.Args()) != nil:
		r.existence(e, r.withNull(call.Args()))
		r.wrap(e, operators.LogicalNot)
	case slices.Contains(comparisons, name):
		r.weigh(e, name, call.Args())
		r.wrap(e, callHolds)
	case slices.Contains(connectives, name):
		for _, arg := range call.Args() {
			r.truth(arg)
		}
	case name == operators.Add && !gathered(call.Args()[0]):
		r.wrapWithState(e, callGrown)
	case slices.Contains(conversions, name):
		r.wrapWithState(e, callGrown)
	case name == operators.Conditional:
		r.truth(call.Args()[0])
	}
}

// weigh has a comparison cost what it looks at, where that may be much.
func (r *rewriting) weigh(e ast.Expr, name string, args []ast.Expr) {
	switch {
	case slices.ContainsFunc(args, func(arg ast.Expr) bool { return arg.Kind() == ast.LiteralKind }) && name != operators.In && !e.AsCall().IsMemberFunction():
	case name == operators.Equals:
		e.SetKindCase(r.fac.NewCall(e.ID(), callEqual, r.state(e), args[0], args[1]))
	case name == operators.NotEquals:
		e.SetKindCase(r.fac.NewCall(e.ID(), callEqual, r.state(e), args[0], args[1]))
		r.wrap(e, operators.LogicalNot)
	case name == operators.In:
		e.SetKindCase(r.fac.NewCall(e.ID(), callAmong, r.state(e), args[0], args[1]))
	case e.AsCall().IsMemberFunction() && e.AsCall().Target().Kind() != ast.LiteralKind:
		r.wrapWithState(e.AsCall().Target(), callGrown)
	}
}

// withNull is what is compared with null.
func (r *rewriting) withNull(args []ast.Expr) ast.Expr {
	for i, arg := range args {
		if arg.Kind() == ast.LiteralKind && arg.AsLiteral() == types.NullValue {
			return args[1-i]
		}
	}
	return nil
}

func (r *rewriting) existence(e, of ast.Expr) {
	e.SetKindCase(r.fac.NewCall(e.ID(), callMissing, of))
}

// truth wraps what is needed to be true or false, unless it always is. What
// loops gather passes as it is: it is made of truths.
func (r *rewriting) truth(e ast.Expr) {
	switch {
	case gathered(e), e.Kind() == ast.LiteralKind:
		return
	case e.Kind() == ast.CallKind:
		name := e.AsCall().FunctionName()
		if slices.Contains([]string{callHolds, callMissing, callStep}, name) || slices.Contains(connectives, name) {
			return
		}
	}
	r.wrap(e, callHolds)
}

// object replaces object(...) by the key, when it is known now.
func (r *rewriting) object(e ast.Expr, args []ast.Expr) {
	first, ok := literal(args[0])
	if !ok {
		r.found(args[0], &Flaw{What: "the kind of an object must be written out", Allowed: `object("pods", event.object.namespace, event.object.name)`})
		return
	}
	if len(args) == 1 {
		key, flaw := r.c.keyOf(first)
		if flaw != nil {
			r.found(args[0], flaw)
			return
		}
		r.constant(e, len(r.c.named))
		r.c.named = append(r.c.named, key)
		r.c.depends.object(key)
		return
	}
	kind, flaw := r.c.kindOf(first)
	if flaw != nil {
		r.found(args[0], flaw)
		return
	}
	namespace, known := literal(args[1])
	name, fixed := literal(args[2])
	if known && fixed {
		if !kind.Namespaced {
			namespace = ""
		}
		key := kind.Resource.Key(namespace, name)
		r.constant(e, len(r.c.named))
		r.c.named = append(r.c.named, key)
		r.c.depends.object(key)
		return
	}
	if !known || !kind.Namespaced {
		namespace = ""
	}
	r.c.depends.list(Collection{Resource: kind.Resource, Namespace: namespace})
	e.SetKindCase(r.fac.NewCall(e.ID(), callNamed, r.state(e), r.kind(e, kind), args[1], args[2]))
}

func (r *rewriting) constant(e ast.Expr, index int) {
	e.SetKindCase(r.fac.NewCall(e.ID(), callConst, r.state(e), r.fac.NewLiteral(r.id(e), types.Int(index))))
}

func (r *rewriting) objects(e ast.Expr, args []ast.Expr) {
	first, ok := literal(args[0])
	if !ok {
		r.found(args[0], &Flaw{What: "the kind of objects must be written out", Allowed: r.c.kindNames()})
		return
	}
	kind, flaw := r.c.kindOf(first)
	if flaw != nil {
		r.found(args[0], flaw)
		return
	}
	namespace, known := "", true
	at := r.fac.NewLiteral(r.id(e), types.String(""))
	if len(args) == 2 && kind.Namespaced {
		namespace, known = literal(args[1])
		at = args[1]
	}
	if !known {
		namespace = ""
	}
	r.c.depends.list(Collection{Resource: kind.Resource, Namespace: namespace})
	e.SetKindCase(r.fac.NewCall(e.ID(), callList, r.state(e), r.kind(e, kind), at))
}

func literal(e ast.Expr) (string, bool) {
	if e.Kind() != ast.LiteralKind {
		return "", false
	}
	text, ok := e.AsLiteral().(types.String)
	return string(text), ok
}

func isMissing(val ref.Val) bool {
	err, ok := val.(*types.Err)
	if !ok {
		return false
	}
	text := err.String()
	return strings.HasPrefix(text, "no such key") || strings.HasPrefix(text, "index out of bounds")
}

// holds implements @holds.
func holds(val ref.Val) ref.Val {
	if isMissing(val) || val == types.NullValue {
		return types.False
	}
	return val
}

// absent implements @missing.
func absent(val ref.Val) ref.Val {
	if isMissing(val) || val == types.NullValue {
		return types.True
	}
	if types.IsUnknownOrError(val) {
		return val
	}
	return types.False
}
