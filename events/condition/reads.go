package condition

import (
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/operators"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"segno/events"
)

// Reads is what an expression looks at in an object.
type Reads struct {
	Part *events.Part // of its encoding
	// Version tells that it may look at the resourceVersion, which is in no encoding.
	Version bool
}

// place is where an expression has come to in an object. Of a list of messages the
// part is that of each element: how many there are shows anyway.
type place struct {
	root bool
	part *events.Part // nil where nothing is left to read
	of   reflect.Type // nil when it is not known
}

// list tells whether the place is a list of messages.
func (p place) list() bool {
	if p.of == nil || p.of.Kind() != reflect.Slice {
		return false
	}
	of := settled(p.of.Elem())
	return of != nil && of.Kind() == reflect.Struct
}

func (p place) element() place { return place{part: p.part, of: settled(p.of.Elem())} }

// reads adds what an expression looks at in what variables name. What is not
// certain counts.
func (r *Reads) reads(e ast.Expr, vars map[string]place) {
	if at, ok := r.place(e, vars); ok {
		r.whole(at)
		return
	}
	if of := sized(e); of != nil {
		if at, ok := r.place(of, vars); ok && at.list() {
			return
		}
	}
	if e.Kind() == ast.ComprehensionKind {
		r.loop(e.AsComprehension(), vars)
		return
	}
	for _, child := range children(e) {
		r.reads(child, vars)
	}
}

// place is what an expression names by going on from a variable; what it looks at
// on its way is added.
func (r *Reads) place(e ast.Expr, vars map[string]place) (at place, ok bool) {
	switch e.Kind() {
	case ast.IdentKind:
		at, ok = vars[e.AsIdent()]
	case ast.SelectKind:
		if at, ok = r.place(e.AsSelect().Operand(), vars); ok {
			at = r.field(at, e.AsSelect().FieldName())
		}
	case ast.CallKind:
		if e.AsCall().FunctionName() != operators.Index {
			break
		}
		if at, ok = r.place(e.AsCall().Args()[0], vars); ok {
			r.reads(e.AsCall().Args()[1], vars)
			at = r.inner(at)
		}
	case ast.ComprehensionKind:
		loop := e.AsComprehension()
		if !gathers(loop) {
			break
		}
		if at, ok = r.place(loop.IterRange(), vars); ok {
			r.reads(loop.LoopStep().AsCall().Args()[0], within(loop, vars, r.inner(at)))
		}
	default:
	}
	return at, ok
}

// loop adds what a loop looks at.
func (r *Reads) loop(loop ast.ComprehensionExpr, vars map[string]place) {
	var each place
	if over, ok := r.place(loop.IterRange(), vars); ok {
		each = r.inner(over)
	} else {
		r.reads(loop.IterRange(), vars)
	}
	r.reads(loop.AccuInit(), vars)
	inner := within(loop, vars, each)
	for _, e := range []ast.Expr{loop.LoopCondition(), loop.LoopStep(), loop.Result()} {
		r.reads(e, inner)
	}
}

// within are the variables in a loop over elements.
func within(loop ast.ComprehensionExpr, vars map[string]place, each place) map[string]place {
	inner := maps.Clone(vars)
	delete(inner, loop.AccuVar())
	inner[loop.IterVar()] = each
	return inner
}

// inner is an element of a list of messages. What is no such list is read as a
// whole.
func (r *Reads) inner(at place) place {
	if at.list() {
		return at.element()
	}
	r.whole(at)
	return place{}
}

const resourceVersion = "resourceVersion"

var metaType = reflect.TypeFor[metav1.ObjectMeta]()

// whole adds all of a place.
func (r *Reads) whole(at place) {
	if at.root || at.of == metaType {
		r.Version = true
	}
	if at.part != nil {
		at.part.Fill()
	}
}

// field is a field of a place. Of what has no fields that are known, all is read.
func (r *Reads) field(at place, name string) place {
	if at.root && (name == "kind" || name == "apiVersion") {
		return place{} // of the kind, not of the object
	}
	if at.of == nil || at.of.Kind() != reflect.Struct {
		r.whole(at)
		return place{}
	}
	known, ok := layoutOf(at.of).fields[name]
	if !ok {
		r.whole(at)
		return place{}
	}
	if at.of == metaType && name == resourceVersion {
		r.Version = true
	}
	part, of := at.part, at.of
	for _, i := range known.index {
		field := of.Field(i)
		number, repeated, ok := numberOf(field)
		if !ok {
			part.Fill()
			return place{}
		}
		part, of = part.Field(number), settled(field.Type)
		if of != nil && of.Kind() == reflect.Slice && !repeated { // in a message of its own
			of = nil
		}
	}
	return place{part: part, of: of}
}

// numberOf is a field's number in protobuf.
func numberOf(field reflect.StructField) (number uint64, repeated, ok bool) {
	tag := strings.Split(field.Tag.Get("protobuf"), ",")
	if len(tag) < 2 {
		return 0, false, false
	}
	number, err := strconv.ParseUint(tag[1], 10, 32)
	return number, slices.Contains(tag[2:], "rep"), err == nil
}
