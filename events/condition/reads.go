package condition

import (
	"reflect"
	"strconv"
	"strings"

	"github.com/google/cel-go/common/ast"

	"segno/events"
)

// Reads is what an expression looks at in an object.
type Reads struct {
	Part *events.Part // of its encoding
	// Version tells that it may look at the resourceVersion, which is in no encoding.
	Version bool
}

// reads adds what an expression looks at in the object that a variable names. What
// is not certain counts.
func (r *Reads) reads(e ast.Expr, variable string, of reflect.Type) {
	if path, ok := pathFrom(e, variable); ok {
		r.path(path, of)
		return
	}
	for _, child := range children(e) {
		r.reads(child, variable, of)
	}
}

// pathFrom is the fields by which an expression goes on from a variable.
func pathFrom(e ast.Expr, variable string) (path []string, ok bool) {
	switch e.Kind() {
	case ast.IdentKind:
		return nil, e.AsIdent() == variable
	case ast.SelectKind:
		path, ok = pathFrom(e.AsSelect().Operand(), variable)
		return append(path, e.AsSelect().FieldName()), ok
	default:
		return nil, false
	}
}

const resourceVersion = "resourceVersion"

func (r *Reads) path(path []string, of reflect.Type) {
	if len(path) == 1 && (path[0] == "kind" || path[0] == "apiVersion") {
		return // of the kind, not of the object
	}
	if len(path) < 2 || path[0] == "metadata" && path[1] == resourceVersion {
		r.Version = true
	}
	part := r.Part
	for _, name := range path {
		if of == nil || of.Kind() != reflect.Struct {
			break // a map or a list is read as a whole
		}
		at, ok := layoutOf(of).fields[name]
		if !ok {
			break
		}
		for _, i := range at.index {
			field := of.Field(i)
			number, ok := numberOf(field)
			if !ok {
				part.Fill()
				return
			}
			part, of = part.Field(number), settled(field.Type)
		}
	}
	part.Fill()
}

// numberOf is a field's number in protobuf.
func numberOf(field reflect.StructField) (uint64, bool) {
	tag := strings.Split(field.Tag.Get("protobuf"), ",")
	if len(tag) < 2 {
		return 0, false
	}
	number, err := strconv.ParseUint(tag[1], 10, 32)
	return number, err == nil
}
