package history

import (
	"segno/events"
	"segno/events/fields"
)

// Change is one field that differs.
type Change = fields.Change

// Diff compares two versions of an object, field by field; nil is no object.
// The result is in the order of paths.
func Diff(before, after events.Object) ([]Change, error) { return fields.Diff(before, after) }
