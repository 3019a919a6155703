package events

import (
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// maxParts bounds the objects and lists of one JSON document. Three bytes of
// it ("{},") can become a struct of 1,500: a body of a few megabytes would take
// gigabytes. The largest objects that people write have a few thousand.
const maxParts = 50_000

// crowded refuses a document with too many parts, before it is decoded.
func crowded(data []byte) error {
	parts, quoted := 0, false
	for i := 0; i < len(data); i++ {
		switch c := data[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case !quoted && (c == '{' || c == '['):
			parts++
		}
	}
	if parts > maxParts {
		return apierrors.NewRequestEntityTooLargeError(fmt.Sprintf("the body has %d objects and lists, at most %d are allowed", parts, maxParts))
	}
	return nil
}
