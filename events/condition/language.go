package condition

import (
	"github.com/google/cel-go/cel"
)

// Names of variables and functions. Those with an @ cannot be written by
// people: rewrite puts them in.
const (
	varEvent, varBefore, varAfter = "event", "before", "after"
	callObject, callObjects       = "object", "objects"

	varState    = "@state"
	callHolds   = "@holds"
	callMissing = "@missing"
	callConst   = "@object"
	callNamed   = "@named"
	callList    = "@objects"
	callStep    = "@step"
	callGrown   = "@grown"
	callEqual   = "@equal"
	callAmong   = "@among"
)

// language is CEL with our variables and functions.
func (c *Condition) language() (*cel.Env, error) {
	text, dyn := cel.StringType, cel.DynType
	return cel.NewCustomEnv(
		cel.StdLib(), cel.CustomTypeAdapter(c.adapter),
		cel.CrossTypeNumericComparisons(true), cel.DefaultUTCTimeZone(true),
		cel.ParserExpressionSizeLimit(maxText), cel.ExpressionNodeLimit(maxNodes), cel.ParserRecursionLimit(maxDepth),
		cel.EnableHiddenAccumulatorName(true),
		cel.Variable(varEvent, dyn), cel.Variable(varBefore, dyn), cel.Variable(varAfter, dyn), cel.Variable(varState, dyn),
		cel.Function(callObject,
			cel.Overload("object_short", []*cel.Type{text}, dyn),
			cel.Overload("object_full", []*cel.Type{text, text, text}, dyn)),
		cel.Function(callObjects,
			cel.Overload("objects_all", []*cel.Type{text}, cel.ListType(dyn)),
			cel.Overload("objects_namespace", []*cel.Type{text, text}, cel.ListType(dyn))),
		cel.Function(callHolds, cel.Overload("holds", []*cel.Type{dyn}, cel.BoolType, cel.OverloadIsNonStrict(), cel.UnaryBinding(holds))),
		cel.Function(callMissing, cel.Overload("missing", []*cel.Type{dyn}, cel.BoolType, cel.OverloadIsNonStrict(), cel.UnaryBinding(absent))),
		cel.Function(callConst, cel.Overload("object_const", []*cel.Type{dyn, cel.IntType}, dyn, cel.BinaryBinding(lookConst))),
		cel.Function(callNamed, cel.Overload("object_named", []*cel.Type{dyn, cel.IntType, dyn, dyn}, dyn, cel.FunctionBinding(lookNamed))),
		cel.Function(callList, cel.Overload("objects_list", []*cel.Type{dyn, cel.IntType, dyn}, cel.ListType(dyn), cel.FunctionBinding(list))),
		cel.Function(callStep, cel.Overload("step", []*cel.Type{dyn, cel.BoolType}, cel.BoolType, cel.BinaryBinding(step))),
		cel.Function(callGrown, cel.Overload("grown", []*cel.Type{dyn, dyn}, dyn, cel.BinaryBinding(grown))),
		cel.Function(callEqual, cel.Overload("equal", []*cel.Type{dyn, dyn, dyn}, cel.BoolType, cel.FunctionBinding(equal))),
		cel.Function(callAmong, cel.Overload("among", []*cel.Type{dyn, dyn, dyn}, cel.BoolType, cel.FunctionBinding(among))),
	)
}
