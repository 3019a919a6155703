package api

import (
	"encoding/json"
	"sync"

	"segno/events"
)

// encodingsBytes bounds what is kept of encoded objects.
const encodingsBytes = 4 << 20

// encodings keeps the JSON of the objects that watches sent last: a change that
// a hundred clients watch is encoded once. Objects of feeds are shared and never
// written to, so that their pointer stands for their content.
type encodings struct {
	mu    sync.Mutex
	known map[events.Object][]byte
	order []events.Object // oldest first
	bytes int
}

func newEncodings() *encodings { return &encodings{known: map[events.Object][]byte{}} }

// json is the object with its kind and version.
func (e *encodings) json(obj events.Object, kind *events.Kind) ([]byte, error) {
	e.mu.Lock()
	data, ok := e.known[obj]
	e.mu.Unlock()
	if ok {
		return data, nil
	}
	data, err := json.Marshal(stamped(obj, kind.GVK))
	if err == nil {
		e.keep(obj, data)
	}
	return data, err
}

func (e *encodings) keep(obj events.Object, data []byte) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if _, raced := e.known[obj]; raced || len(data) > encodingsBytes/4 {
		return
	}
	e.known[obj] = data
	e.order = append(e.order, obj)
	e.bytes += len(data)
	for e.bytes > encodingsBytes {
		e.bytes -= len(e.known[e.order[0]])
		delete(e.known, e.order[0])
		e.order[0] = nil
		e.order = e.order[1:]
	}
}
