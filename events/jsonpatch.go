package events

import (
	"fmt"
	"slices"

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
