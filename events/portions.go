package events

import (
	"slices"

	"segno/proto"
)

// portionRoom is how many bytes of objects a portion takes: their events may be
// somewhat larger, and carry more than a body.
const portionRoom = proto.MaxEnvelope / 2

// Portions cuts a long list of changes into transactions that fit into a
// message each. What is in first stays together, and takes along as much of
// more as there is room for.
func Portions(first Batch, more []Action) []Batch {
	var out []Batch
	now, size := slices.Clone(first), 0
	for _, action := range first {
		size += portionOf(action)
	}
	for _, action := range more {
		takes := portionOf(action)
		if len(now) > 0 && size+takes > portionRoom {
			out = append(out, now)
			now, size = nil, 0
		}
		now, size = append(now, action), size+takes
	}
	if len(now) > 0 {
		out = append(out, now)
	}
	return out
}

// portionOf is about what an action takes in a transaction.
func portionOf(action Action) int {
	const rest = 256 // keys and names of its events
	var object Object
	switch a := action.(type) {
	case Create:
		object = a.Object
	case Update:
		object = a.Object
	case Patch:
		return rest + len(a.Data)
	case Batch:
		sum := 0
		for _, part := range a {
			sum += portionOf(part)
		}
		return sum
	case Bind, Delete, Elect: // they bring no object
	}
	if sized, ok := object.(interface{ Size() int }); ok {
		return rest + sized.Size()
	}
	return rest
}
