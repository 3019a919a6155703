package proxytest

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

const (
	changes       = 100
	conversations = 20
	arriving      = 4 // clients that come and go all the time

	talkEvery, arriveEvery = 20 * time.Millisecond, 50 * time.Millisecond
)

// draining: a hundred changes of the backends, while conversations go on below
// them and clients keep coming by each of the Service's addresses. No
// conversation ends, and who comes meets a backend of that moment.
func draining(b *bench) {
	sets := [][]string{{"a", "b", "c"}, {"b", "c"}, {"c"}, {"a"}, {"a", "x"}, {"x", "y"}, {"b"}, {}, {"y", "a", "b"}}
	web := func(names []string) *service { return b.web(names...).nodePorts() }
	b.sync(web(sets[0]))
	l := &load{b: b, done: make(chan struct{}), told: [][]string{sets[0]}}
	defer l.end()
	met := map[string]int{}
	for i := range conversations {
		c, err := b.client.dial("", addresses[i%len(addresses)], patience)
		if err != nil {
			b.Fatal(err)
		}
		met[c.by]++
		l.clients.Go(func() { l.talk(i, c) })
	}
	b.spread("conversations", met, "a", "b", "c")
	for i := range arriving {
		l.clients.Go(func() { l.arrive(addresses[i%len(addresses)]) })
	}
	for i := range changes {
		now := sets[i%len(sets)]
		l.tell(now)
		if i%10 == 9 {
			b.sync(web(now))
		} else {
			b.set(web(now))
		}
		l.holds()
		// Every change lasts until the conversations went on below it, and a client
		// came.
		said, came := l.said.Load()+conversations, l.came.Load()+1
		b.until("the conversations go on", patience, func() bool { time.Sleep(time.Millisecond); return l.said.Load() >= said })
		b.until("clients come", patience, func() bool { time.Sleep(time.Millisecond); return l.came.Load() >= came })
	}
	l.end()
	b.Logf("%d lines were said, %d clients came", l.said.Load(), l.came.Load())
}

// addresses are where clients dial.
var addresses = []string{vipTCP, vipTCP6, at(nodeIP, nodePort), at(nodeIP6, nodePort)}

// load is what goes on while backends change.
type load struct {
	b          *bench
	done       chan struct{}
	once       sync.Once
	clients    sync.WaitGroup
	said, came atomic.Int64

	mu   sync.Mutex
	told [][]string // backends, as the plane was told
	held int        // those that surely hold
}

func (l *load) end() {
	l.once.Do(func() { close(l.done) })
	l.clients.Wait()
}

// goesOn pauses a client, and says whether it goes on.
func (l *load) goesOn(after time.Duration) bool {
	select {
	case <-l.done:
		return false
	case <-time.After(after):
		return true
	}
}

// tell notes what the plane is about to be told.
func (l *load) tell(backends []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.told = append(l.told, backends)
}

// holds notes that the plane did it.
func (l *load) holds() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.held = len(l.told) - 1
}

// since are the backends of all moments since one, and the moment that it is now.
func (l *load) since(moment int) (backends [][]string, now int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.told[moment:], l.held
}

// talk says one line after the other.
func (l *load) talk(who int, c *call) {
	defer c.Close()
	for n := 0; l.goesOn(talkEvery); n++ {
		if err := c.say(fmt.Sprintf("%d: line %d", who, n)); err != nil {
			l.b.Errorf("conversation %d with %s, line %d: %v", who, c.by, n, err)
			return
		}
		l.said.Add(1)
	}
}

// arrive connects again and again.
func (l *load) arrive(to string) {
	for l.goesOn(arriveEvery) {
		_, began := l.since(0)
		c, err := l.b.client.dial("", to, patience)
		might, _ := l.since(began)
		l.came.Add(1)
		if err != nil {
			if !slices.ContainsFunc(might, func(s []string) bool { return len(s) == 0 }) {
				l.b.Errorf("a client of %s, among %v: %v", to, might, err)
			}
			continue
		}
		_ = c.Close()
		if !slices.ContainsFunc(might, func(s []string) bool { return slices.Contains(s, c.by) }) {
			l.b.Errorf("a client of %s met %s, there are only %v", to, c.by, might)
		}
	}
}
