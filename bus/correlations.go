package bus

import (
	"crypto/rand"
	"sync"

	"segno/proto"
)

// correlations remembers the correlation of recent transactions, so that
// what follows from one need not read it back from disk.
type correlations struct {
	mu   sync.Mutex
	ring [8192]struct {
		seq  proto.Seq
		text string
	}
}

func newCorrelations() *correlations { return &correlations{} }

func (c *correlations) put(seq proto.Seq, text string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	slot := &c.ring[uint64(seq)%uint64(len(c.ring))]
	slot.seq, slot.text = seq, text
}

func (c *correlations) get(seq proto.Seq) (string, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	slot := &c.ring[uint64(seq)%uint64(len(c.ring))]
	return slot.text, slot.seq == seq
}

// correlation is the request id at the root of a transaction of this log, or
// "" when there is no such transaction.
func (s *Sequencer) correlation(seq proto.Seq) string {
	if text, ok := s.recent.get(seq); ok {
		return text
	}
	encoded, err := s.cfg.Fold.Encoded(seq)
	if err != nil {
		return ""
	}
	env, err := proto.Decode(encoded)
	if err != nil {
		return ""
	}
	s.recent.put(seq, env.Correlation)
	return env.Correlation
}

// root answers the cause and the correlation of a command as the log keeps
// them: what follows from a transaction shares its correlation, and a request
// from outside is its own root. newest is this log's newest transaction: a
// cause that is still to come, as a node may claim, is none.
func (s *Sequencer) root(cause proto.Cause, correlation string, newest proto.Seq) (proto.Cause, string) {
	log := s
	if s.cfg.Causes != nil {
		log, newest = s.cfg.Causes, s.cfg.Causes.Durable()
	}
	if cause.Seq > newest {
		cause.Seq = 0
	}
	if correlation == "" && cause.Seq != 0 {
		correlation = log.correlation(cause.Seq)
	}
	if correlation == "" {
		correlation = cause.Request
	}
	if correlation == "" {
		correlation = rand.Text()
	}
	if cause.Seq == 0 && cause.Request == "" {
		cause.Request = correlation
	}
	return cause, correlation
}
