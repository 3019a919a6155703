package bus

import (
	"sync"

	"segno/proto"
)

// laneLength is how many messages of one node may wait.
const laneLength = 32

// lanes do the work of many nodes at once, and that of each node in order:
// what a node said later must not be done before what it said earlier.
type lanes struct {
	mu      sync.Mutex
	waiting map[proto.NodeName][]func() // an entry while its goroutine lives
	all     sync.WaitGroup
}

func newLanes() *lanes { return &lanes{waiting: map[proto.NodeName][]func(){}} }

// put queues the job; false when too many wait already.
func (l *lanes) put(node proto.NodeName, job func()) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	queue, lives := l.waiting[node]
	if len(queue) >= laneLength {
		return false
	}
	l.waiting[node] = append(queue, job)
	if !lives {
		l.all.Go(func() { l.drain(node) })
	}
	return true
}

func (l *lanes) drain(node proto.NodeName) {
	for {
		l.mu.Lock()
		queue := l.waiting[node]
		if len(queue) == 0 {
			delete(l.waiting, node)
			l.mu.Unlock()
			return
		}
		l.waiting[node] = queue[1:]
		l.mu.Unlock()
		queue[0]()
	}
}
