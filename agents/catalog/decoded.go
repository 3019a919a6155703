package catalog

import (
	"bytes"
	"sync"

	"segno/proto"
)

// Decoded are objects that the catalogs of one process have in common: nodes that
// are simulated together keep one copy of each, decoded once. The zero Decoded is
// empty and ready, nil keeps nothing. It is safe for concurrent use.
type Decoded struct {
	mu      sync.Mutex
	objects map[proto.ObjectKey]copied
}

// copied is an object with the bytes that it was decoded from.
type copied struct {
	body   []byte
	object any
}

// find answers what an object was decoded to, nil if it is not known.
func (d *Decoded) find(object *proto.WantPod) any {
	if d == nil {
		return nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	known := d.objects[object.Key]
	if !bytes.Equal(known.body, object.Body) {
		return nil // another version: nodes hear of it one after the other
	}
	return known.object
}

// keep notes what an object was decoded to.
func (d *Decoded) keep(object *proto.WantPod, as any) {
	if d == nil {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.objects == nil {
		d.objects = map[proto.ObjectKey]copied{}
	}
	d.objects[object.Key] = copied{bytes.Clone(object.Body), as}
}

// forget drops an object that is gone.
func (d *Decoded) forget(object *proto.WantPod) {
	if d == nil {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.objects, object.Key)
}
