package condition

import (
	"fmt"
	"reflect"
	"slices"

	"github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/operators"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
)

// class is what values can be the same as each other; "" is not known.
type class string

const (
	number class = "number"
	text   class = "text"
	truth  class = "truth"
)

// convertible is what may be compared, for who compared something else.
const convertible = "numbers with numbers, texts with texts; int(x), double(x) and string(x) convert"

// compared finds comparisons of what can never be the same, of which CEL, that
// does not know the types of fields, says that they are false.
func (s *shapes) compared(e ast.Expr, sides []reflect.Type) {
	call := e.AsCall()
	if !slices.Contains([]string{operators.Equals, operators.NotEquals, operators.In}, call.FunctionName()) {
		return
	}
	left, others := classOf(call.Args()[0], sides[0]), []class{classOf(call.Args()[1], sides[1])}
	if call.FunctionName() == operators.In {
		others = elements(call.Args()[1])
	}
	for _, right := range others {
		if left != "" && right != "" && left != right {
			s.found(e, &Flaw{What: fmt.Sprintf("a %s is compared with a %s: they are never the same", left, right), Allowed: convertible})
			return
		}
	}
}

// elements are the classes of what is written in a list.
func elements(e ast.Expr) (out []class) {
	if e.Kind() != ast.ListKind {
		return nil
	}
	for _, element := range e.AsList().Elements() {
		out = append(out, classOf(element, nil))
	}
	return out
}

// classOf is the class of what is written out, or of a field by its shape.
func classOf(e ast.Expr, shape reflect.Type) class {
	switch {
	case e.Kind() == ast.LiteralKind:
		return classes[e.AsLiteral().Type()]
	case shape == nil || shape == durationType:
		return ""
	}
	switch shape.Kind() {
	case reflect.String:
		return text
	case reflect.Bool:
		return truth
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Float32, reflect.Float64:
		return number
	default:
		return ""
	}
}

// classes are those of literals; null is compared with everything.
var classes = map[ref.Type]class{
	types.IntType: number, types.UintType: number, types.DoubleType: number, types.StringType: text, types.BoolType: truth,
}
