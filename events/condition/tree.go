package condition

import (
	"github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/types"

	"segno/events"
)

// children are the expressions directly within one.
func children(e ast.Expr) (out []ast.Expr) {
	switch e.Kind() {
	case ast.CallKind:
		if call := e.AsCall(); call.IsMemberFunction() {
			out = append(out, call.Target())
		}
		out = append(out, e.AsCall().Args()...)
	case ast.ComprehensionKind:
		loop := e.AsComprehension()
		out = append(out, loop.IterRange(), loop.AccuInit(), loop.LoopCondition(), loop.LoopStep(), loop.Result())
	case ast.ListKind:
		out = append(out, e.AsList().Elements()...)
	case ast.MapKind:
		for _, entry := range e.AsMap().Entries() {
			out = append(out, entry.AsMapEntry().Key(), entry.AsMapEntry().Value())
		}
	case ast.SelectKind:
		out = append(out, e.AsSelect().Operand())
	case ast.StructKind:
		for _, field := range e.AsStruct().Fields() {
			out = append(out, field.AsStructField().Value())
		}
	default:
	}
	return out
}

func (r *rewriting) state(e ast.Expr) ast.Expr { return r.fac.NewIdent(r.id(e), varState) }

// kind is the index of a kind as an expression.
func (r *rewriting) kind(e ast.Expr, kind *events.Kind) ast.Expr {
	r.c.kinds = append(r.c.kinds, kind)
	return r.fac.NewLiteral(r.id(e), types.Int(len(r.c.kinds)-1))
}
