package condition

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/operators"
	"github.com/google/cel-go/common/types"
)

// usage is what every expression may be made of.
const usage = `event, before, after, object("deployment/web"), objects("pods"), objects("pods", "default")`

// listUsage is what can be asked of a list.
const listUsage = "[0], size(), exists(x, …), all(x, …), filter(x, …), map(x, …)"

// Flaw is what is wrong with an expression.
type Flaw struct {
	Text    string // the expression
	Column  int    // in characters, from 1; 0 when it is not one place
	What    string
	Allowed string // in its place; "" when What says it all
}

// Error is one line; a second and a third show the place.
func (f *Flaw) Error() string {
	var b strings.Builder
	b.WriteString("the expression")
	if f.Column > 0 {
		fmt.Fprintf(&b, ", column %d", f.Column)
	}
	b.WriteString(": " + f.What)
	if f.Allowed != "" {
		b.WriteString("; there may be: " + f.Allowed)
	}
	if f.Column > 0 && f.Text != "" && !strings.ContainsAny(f.Text, "\n\t") && len(f.Text) < 200 {
		fmt.Fprintf(&b, "\n  %s\n  %s^", f.Text, strings.Repeat(" ", f.Column-1))
	}
	return b.String()
}

// flawOf is the first thing that parser and checker found.
func (c *Condition) flawOf(issues *cel.Issues) error {
	all := issues.Errors()
	if len(all) == 0 {
		return &Flaw{Text: c.text, What: issues.Err().Error()}
	}
	first := all[0]
	f := &Flaw{Text: c.text, What: first.Message}
	if first.Location.Line() > 0 {
		f.Column = c.column(first.Location.Line(), first.Location.Column())
	}
	switch {
	case strings.HasPrefix(f.What, "undeclared reference to "):
		f.What, _, _ = strings.Cut(f.What, " (in container")
		f.What = strings.Replace(f.What, "undeclared reference to", "there is no", 1)
		f.Allowed = usage + ", the names of all(), exists(), filter() and map(), and CEL's own functions"
	case strings.HasPrefix(f.What, "Syntax error: "):
		f.What, _, _ = strings.Cut(f.What, " expecting ")
		f.What = strings.ReplaceAll(f.What, "<EOF>", "the end")
		f.What = strings.Replace(f.What, "Syntax error", "not well-formed", 1)
	case strings.HasPrefix(f.What, "type 'list("):
		f.What, f.Allowed = "a list has no fields", listUsage
	case strings.Contains(f.What, "applied to '("):
		f.Allowed = allowedArguments(f.What)
	}
	return f
}

func allowedArguments(what string) string {
	switch {
	case strings.Contains(what, "'object'"):
		return `object("deployment/web"), object("deployment/default/web"), object("deployments.apps", "default", "web")`
	case strings.Contains(what, "'objects'"):
		return `objects("pods"), objects("pods", "default")`
	default:
		return "values of the same type on both sides; dyn(x) leaves the type open"
	}
}

// column is counted over all lines: an expression is one line to people.
func (c *Condition) column(line, column int) int {
	lines := strings.Split(c.text, "\n")
	for _, earlier := range lines[:min(line-1, len(lines))] {
		column += len([]rune(earlier)) + 1
	}
	return column + 1
}

// failed is what an evaluation failed with: where, and doing what. CEL's own words
// may quote values of the objects, which are nobody's to see here.
func (c *Condition) failed(err error) error {
	f := &Flaw{Text: c.text, What: "it cannot be computed"}
	var flawed *types.Err
	if errors.As(err, &flawed) {
		tree := c.ast.NativeRep()
		if at := tree.SourceInfo().GetStartLocation(flawed.NodeID()); at.Line() > 0 {
			f.Column = c.column(at.Line(), at.Column())
		}
		if name := doing(tree.Expr(), flawed.NodeID()); name != "" {
			f.What = name + " cannot take what it is given here"
		}
	}
	switch text := err.Error(); {
	case slices.Contains(valueless, text):
		f.What = text
	case strings.HasPrefix(text, "no such overload"):
		f.What = "cannot be computed with these types"
		f.Allowed = convertible
	}
	return f
}

// valueless are words of CEL that quote nothing.
var valueless = []string{
	"division by zero", "divide by zero", "modulus by zero", "integer overflow", "unsigned integer overflow", "timestamp overflow", "duration overflow",
}

// doing is the function or the operator at a place of the expression; "" when
// people do not write it.
func doing(e ast.Expr, id int64) string {
	if e.ID() == id && e.Kind() == ast.CallKind {
		name := e.AsCall().FunctionName()
		if sign, ok := operators.FindReverse(name); ok {
			return cmp.Or(sign, name)
		}
		if strings.HasPrefix(name, "@") {
			return ""
		}
		return name + "()"
	}
	for _, child := range children(e) {
		if name := doing(child, id); name != "" {
			return name
		}
	}
	return ""
}
