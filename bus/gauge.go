package bus

import "sync"

// gauge bounds the bytes that are under way between two goroutines.
type gauge struct {
	mu    sync.Mutex
	freed *sync.Cond
	most  int
	now   int
}

func newGauge(most int) *gauge {
	g := &gauge{most: most}
	g.freed = sync.NewCond(&g.mu)
	return g
}

// add waits until n fits, or nothing else is under way. Whoever frees never
// stops before everything that was added is free.
func (g *gauge) add(n int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for g.now > 0 && g.now+n > g.most {
		g.freed.Wait()
	}
	g.now += n
}

func (g *gauge) free(n int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.now -= n
	g.freed.Signal()
}
