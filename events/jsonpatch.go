package events

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"

	"segno/proto"
)

// Bounds of a JSON patch, as Kubernetes has them: a few bytes of "copy" could
// otherwise grow a document without end.
const (
	maxOperations = 10_000
	maxCopied     = 2 * proto.MaxObject
)

// operation is one step of a JSON patch (RFC 6902).
type operation struct {
	name     string
	path     pointer
	from     pointer
	value    any
	hasValue bool
}

// readOperations checks the form of a JSON patch.
func readOperations(list []map[string]any) ([]operation, error) {
	if len(list) > maxOperations {
		return nil, apierrors.NewRequestEntityTooLargeError(fmt.Sprintf(
			"The allowed maximum operations in a JSON patch is %d, got %d", maxOperations, len(list)))
	}
	ops := make([]operation, len(list))
	for i, item := range list {
		op, err := readOperation(item)
		if err != nil {
			return nil, unprocessable(fmt.Errorf("operation %d: %w", i+1, err))
		}
		ops[i] = op
	}
	return ops, nil
}

func readOperation(item map[string]any) (op operation, err error) {
	op.name, _ = item["op"].(string)
	op.value, op.hasValue = item["value"]
	if op.path, err = pointerAt(item, "path"); err != nil {
		return op, err
	}
	switch op.name {
	case "add", "replace", "test":
		if !op.hasValue {
			return op, fmt.Errorf("%s needs a value", op.name)
		}
	case "move", "copy":
		op.from, err = pointerAt(item, "from")
	case "remove":
	default:
		return op, fmt.Errorf("%q is not an operation: add, remove, replace, move, copy and test are", item["op"])
	}
	return op, err
}

func pointerAt(item map[string]any, member string) (pointer, error) {
	text, ok := item[member].(string)
	if !ok {
		return nil, fmt.Errorf("needs a %s", member)
	}
	return parsePointer(text)
}

// applyOperations changes the document step by step.
func applyOperations(doc any, ops []operation) (any, error) {
	copied := 0
	for i, op := range ops {
		out, err := op.apply(doc, &copied)
		if err != nil {
			return nil, fmt.Errorf("operation %d (%s %s): %w", i+1, op.name, op.path, err)
		}
		doc = out
	}
	return doc, nil
}

func (op operation) apply(doc any, copied *int) (any, error) {
	switch op.name {
	case "add":
		return op.path.put(doc, op.value, true)
	case "remove":
		return op.path.remove(doc)
	case "replace":
		return op.path.put(doc, op.value, false)
	case "test":
		is, err := op.path.get(doc)
		if err == nil && !sameJSON(is, op.value) {
			err = fmt.Errorf("the value is %s, not %s", clip(fmt.Sprint(is)), clip(fmt.Sprint(op.value)))
		}
		return doc, err
	case "move":
		return op.move(doc)
	default: // copy
		value, err := op.from.get(doc)
		if err != nil {
			return nil, err
		}
		if *copied += weight(value); *copied > maxCopied {
			return nil, fmt.Errorf("copies more than %d bytes in all", maxCopied)
		}
		return op.path.put(doc, runtime.DeepCopyJSONValue(value), true)
	}
}

func (op operation) move(doc any) (any, error) {
	if len(op.path) > len(op.from) && slices.Equal(op.path[:len(op.from)], op.from) {
		return nil, fmt.Errorf("%s cannot move into itself", op.from)
	}
	value, err := op.from.get(doc)
	if err != nil || slices.Equal(op.path, op.from) {
		return doc, err
	}
	if doc, err = op.from.remove(doc); err != nil {
		return nil, err
	}
	return op.path.put(doc, value, true)
}

// pointer is a JSON pointer (RFC 6901); an empty one is the whole document.
type pointer []string

var unescape = strings.NewReplacer("~1", "/", "~0", "~")

func parsePointer(text string) (pointer, error) {
	if text == "" {
		return pointer{}, nil
	}
	if text[0] != '/' {
		return nil, fmt.Errorf("path %q must begin with /", text)
	}
	p := pointer(strings.Split(text[1:], "/"))
	for i := range p {
		p[i] = unescape.Replace(p[i])
	}
	return p, nil
}

// String is the pointer for messages.
func (p pointer) String() string { return "/" + strings.Join(p, "/") }

var errMissing = errors.New("there is nothing at this path")

func (p pointer) get(doc any) (any, error) {
	for _, token := range p {
		switch node := doc.(type) {
		case map[string]any:
			child, ok := node[token]
			if !ok {
				return nil, errMissing
			}
			doc = child
		case []any:
			i, err := index(token, len(node)-1)
			if err != nil {
				return nil, err
			}
			doc = node[i]
		default:
			return nil, errMissing
		}
	}
	return doc, nil
}

// put sets a value. With add, a list grows at the place and a new member may
// appear; without, something must be there.
func (p pointer) put(doc, value any, add bool) (any, error) {
	if len(p) == 0 {
		return value, nil
	}
	return p.edit(doc, func(parent any, token string) (any, error) {
		switch node := parent.(type) {
		case map[string]any:
			if _, ok := node[token]; !ok && !add {
				return nil, errMissing
			}
			node[token] = value
			return node, nil
		case []any:
			if add && token == "-" {
				return append(node, value), nil
			}
			last := len(node) - 1
			if add {
				last++
			}
			i, err := index(token, last)
			switch {
			case err != nil:
				return nil, err
			case add:
				return slices.Insert(node, i, value), nil
			}
			node[i] = value
			return node, nil
		default:
			return nil, errMissing
		}
	})
}

func (p pointer) remove(doc any) (any, error) {
	if len(p) == 0 {
		return nil, errors.New("the whole document cannot be removed")
	}
	return p.edit(doc, func(parent any, token string) (any, error) {
		switch node := parent.(type) {
		case map[string]any:
			if _, ok := node[token]; !ok {
				return nil, errMissing
			}
			delete(node, token)
			return node, nil
		case []any:
			i, err := index(token, len(node)-1)
			if err != nil {
				return nil, err
			}
			return slices.Delete(node, i, i+1), nil
		default:
			return nil, errMissing
		}
	})
}

// edit changes the last step's parent and hands the changed lists back up.
func (p pointer) edit(node any, leaf func(parent any, token string) (any, error)) (any, error) {
	if len(p) == 1 {
		return leaf(node, p[0])
	}
	child, err := p[:1].get(node)
	if err != nil {
		return nil, err
	}
	if child, err = p[1:].edit(child, leaf); err != nil {
		return nil, err
	}
	return p[:1].put(node, child, false)
}

// index reads a place in a list, 0 to last.
func index(token string, last int) (int, error) {
	i, err := strconv.Atoi(token)
	if err != nil || i < 0 || strconv.Itoa(i) != token {
		return 0, fmt.Errorf("%q is not a place in a list", token)
	}
	if i > last {
		return 0, fmt.Errorf("place %d is behind the end of the list", i)
	}
	return i, nil
}

// weight is about how many bytes a value takes as JSON.
func weight(value any) int {
	switch v := value.(type) {
	case string:
		return len(v) + 2
	case map[string]any:
		sum := 2
		for key, child := range v {
			sum += len(key) + 4 + weight(child)
		}
		return sum
	case []any:
		sum := 2
		for _, child := range v {
			sum += 1 + weight(child)
		}
		return sum
	default:
		return 8
	}
}

// sameJSON compares values; 1 and 1.0 are the same number.
func sameJSON(a, b any) bool {
	switch x := a.(type) {
	case map[string]any:
		y, ok := b.(map[string]any)
		if !ok || len(x) != len(y) {
			return false
		}
		for key, value := range x {
			other, ok := y[key]
			if !ok || !sameJSON(value, other) {
				return false
			}
		}
		return true
	case []any:
		y, ok := b.([]any)
		return ok && slices.EqualFunc(x, y, sameJSON)
	case int64:
		y, ok := b.(float64)
		return ok && float64(x) == y || a == b
	case float64:
		y, ok := b.(int64)
		return ok && x == float64(y) || a == b
	default:
		return a == b
	}
}
