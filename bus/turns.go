package bus

import (
	"context"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"segno/proto"
)

// turnEvery is how often one node is answered everything.
const turnEvery = time.Second

// turns sees to it that nobody keeps the control plane busy by asking over and
// over. Who asks again too soon is answered when his turn has come, and only what
// he has asked last: he waits for no other answer any more.
type turns struct {
	mu    sync.Mutex
	asked map[proto.NodeName]*nats.Msg // of nodes that were just answered: their next question, or nil
}

// take has a question answered: at once, or later unless ctx ends before.
func (t *turns) take(ctx context.Context, node proto.NodeName, msg *nats.Msg, answer func(*nats.Msg)) {
	if t.waits(node, msg) {
		return
	}
	answer(msg)
	time.AfterFunc(turnEvery, func() {
		if next := t.next(node); next != nil && ctx.Err() == nil {
			t.take(ctx, node, next, answer)
		}
	})
}

// waits notes the question of a node whose turn it is not.
func (t *turns) waits(node proto.NodeName, msg *nats.Msg) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.asked == nil {
		t.asked = map[proto.NodeName]*nats.Msg{}
	}
	_, waits := t.asked[node]
	t.asked[node] = nil
	if waits {
		t.asked[node] = msg
	}
	return waits
}

// next is what a node has asked meanwhile. It is its turn again.
func (t *turns) next(node proto.NodeName) *nats.Msg {
	t.mu.Lock()
	defer t.mu.Unlock()
	msg := t.asked[node]
	delete(t.asked, node)
	return msg
}
