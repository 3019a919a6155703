package condition

import (
	"fmt"
	"maps"
	"reflect"
	"strings"

	"github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/operators"
	"github.com/google/cel-go/common/types"
)

// checkFields finds fields that no object can have: of what is known to be of
// one kind. Whatever is not known may have every field.
func (c *Condition) checkFields(tree *ast.AST) error {
	s := &shapes{rewriting{c: c, tree: tree}}
	s.of(tree.Expr(), map[string]reflect.Type{varEvent: reflect.TypeFor[Event]()})
	if s.flaw != nil {
		s.flaw.Text = c.text
		return s.flaw
	}
	return nil
}

type shapes struct{ rewriting }

// of is the Go type of an expression; nil when it is not known.
func (s *shapes) of(e ast.Expr, vars map[string]reflect.Type) reflect.Type {
	switch e.Kind() {
	case ast.IdentKind:
		return vars[e.AsIdent()]
	case ast.SelectKind:
		return s.field(e, s.of(e.AsSelect().Operand(), vars), e.AsSelect().FieldName())
	case ast.CallKind:
		return s.call(e, vars)
	case ast.ComprehensionKind:
		return s.loop(e.AsComprehension(), vars)
	default:
		for _, child := range children(e) {
			s.of(child, vars)
		}
		return nil
	}
}

func (s *shapes) call(e ast.Expr, vars map[string]reflect.Type) reflect.Type {
	call := e.AsCall()
	var shapes []reflect.Type
	for _, child := range children(e) {
		shapes = append(shapes, s.of(child, vars))
	}
	s.compared(e, shapes)
	switch call.FunctionName() {
	case callObject, callObjects:
		text, ok := literal(call.Args()[0])
		if !ok {
			return nil
		}
		name, _, _ := strings.Cut(text, "/")
		kind, flaw := s.c.kindOf(name)
		if flaw != nil {
			return nil // told by rewrite
		}
		shape := reflect.TypeOf(kind.New()).Elem()
		if call.FunctionName() == callObjects {
			shape = reflect.SliceOf(shape)
		}
		return shape
	case operators.Index:
		return s.index(e, shapes[0], call.Args()[1])
	default:
		return nil
	}
}

func (s *shapes) index(e ast.Expr, of reflect.Type, by ast.Expr) reflect.Type {
	if of == nil {
		return nil
	}
	if name, ok := literal(by); ok && of.Kind() == reflect.Struct {
		return s.field(e, of, name)
	}
	if of.Kind() == reflect.Slice || of.Kind() == reflect.Map {
		return settled(of.Elem())
	}
	return nil
}

func (s *shapes) loop(loop ast.ComprehensionExpr, vars map[string]reflect.Type) reflect.Type {
	over := s.of(loop.IterRange(), vars)
	inner := maps.Clone(vars)
	delete(inner, loop.AccuVar())
	delete(inner, loop.IterVar())
	if over != nil && over.Kind() == reflect.Slice {
		inner[loop.IterVar()] = settled(over.Elem())
	}
	for _, part := range []ast.Expr{loop.AccuInit(), loop.LoopCondition(), loop.LoopStep(), loop.Result()} {
		s.of(part, inner)
	}
	if gathers(loop) {
		return over
	}
	return nil
}

// gathers tells whether the loop is filter(): a list of the same things.
func gathers(loop ast.ComprehensionExpr) bool {
	step := loop.LoopStep()
	if step.Kind() != ast.CallKind || step.AsCall().FunctionName() != operators.Conditional {
		return false
	}
	then := step.AsCall().Args()[1]
	if then.Kind() != ast.CallKind || then.AsCall().FunctionName() != operators.Add {
		return false
	}
	added := then.AsCall().Args()[1]
	if added.Kind() != ast.ListKind || added.AsList().Size() != 1 {
		return false
	}
	element := added.AsList().Elements()[0]
	return element.Kind() == ast.IdentKind && element.AsIdent() == loop.IterVar()
}

// field is the type of a field of a struct; that there is none is a flaw.
func (s *shapes) field(e ast.Expr, of reflect.Type, name string) reflect.Type {
	switch {
	case of == nil:
		return nil
	case of.Kind() == reflect.Map:
		return settled(of.Elem())
	case of.Kind() == reflect.Slice:
		s.found(e, &Flaw{What: "a list has no fields", Allowed: listUsage})
		return nil
	case of.Kind() != reflect.Struct:
		s.found(e, &Flaw{What: fmt.Sprintf("a %s has no field %q", plain(of), name)})
		return nil
	}
	l := layoutOf(of)
	at, ok := l.fields[name]
	if !ok {
		s.found(e, &Flaw{What: fmt.Sprintf("%s has no field %q", of.Name(), name), Allowed: strings.Join(l.names, ", ")})
		return nil
	}
	return settled(of.FieldByIndex(at.index).Type)
}

// settled is a type without its pointers; nil where JSON shows another form.
func settled(t reflect.Type) reflect.Type {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t.Kind() == reflect.Interface || t.Kind() == reflect.Struct && formOf(t) != formFields {
		return nil
	}
	return t
}

// plain is a type in CEL's words.
func plain(t reflect.Type) string {
	switch t.Kind() {
	case reflect.String:
		return types.StringType.TypeName()
	case reflect.Bool:
		return types.BoolType.TypeName()
	case reflect.Float32, reflect.Float64:
		return types.DoubleType.TypeName()
	default:
		return types.IntType.TypeName()
	}
}
