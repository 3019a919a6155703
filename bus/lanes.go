package bus

import (
	"sync"

	"segno/proto"
)

// What of one node may wait: so many messages, and so many bytes of them.
const (
	laneLength = 32
	laneBytes  = 2 * maxPayload
)

// lanes do the work of many nodes at once, and that of each node in order:
// what a node said later must not be done before what it said earlier.
type lanes struct {
	mu       sync.Mutex
	waiting  map[proto.NodeName]*lane // an entry while its goroutine lives
	finished bool
	all      sync.WaitGroup
}

// lane is what waits of one node, and the bytes of that and of what is under way.
type lane struct {
	jobs  []job
	bytes int
}

type job struct {
	bytes int
	do    func()
}

func newLanes() *lanes { return &lanes{waiting: map[proto.NodeName]*lane{}} }

// put queues a job that holds on to so many bytes; false when too much waits
// already, or when the lanes are finished.
func (l *lanes) put(node proto.NodeName, bytes int, do func()) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.finished {
		return false
	}
	of := l.waiting[node]
	if of == nil {
		of = &lane{}
		l.waiting[node] = of
		l.all.Go(func() { l.drain(node, of) })
	}
	if len(of.jobs) >= laneLength || of.bytes+bytes > laneBytes {
		return false
	}
	of.jobs = append(of.jobs, job{bytes: bytes, do: do})
	of.bytes += bytes
	return true
}

func (l *lanes) drain(node proto.NodeName, of *lane) {
	for {
		l.mu.Lock()
		if len(of.jobs) == 0 {
			delete(l.waiting, node)
			l.mu.Unlock()
			return
		}
		next := of.jobs[0]
		of.jobs = of.jobs[1:]
		l.mu.Unlock()
		next.do()
		l.mu.Lock()
		of.bytes -= next.bytes
		l.mu.Unlock()
	}
}

// finish takes nothing any more and waits until all that was taken is done. A
// message may still come in while its subscription ends.
func (l *lanes) finish() {
	l.mu.Lock()
	l.finished = true
	l.mu.Unlock()
	l.all.Wait()
}
