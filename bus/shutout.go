package bus

import (
	"errors"
	"maps"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

// ErrShutOut is why a connection is refused whose key the bus does not know: of
// a node that was removed, or a token that was spent.
var ErrShutOut = nats.ErrAuthorization

const (
	firstPause = 250 * time.Millisecond
	mostPause  = time.Minute
	// surelyShut is the number of refusals in a row that no start of a control
	// plane explains, which does not know its nodes yet: half a minute of them.
	surelyShut = 7
)

// shutOut counts how often a connection that was lost is refused since then.
type shutOut struct {
	tell  func()        // called once it is sure
	first time.Duration // pause

	mu       sync.Mutex
	refusals int
}

// refused takes an error of the connection, and answers whether it is a refusal.
func (s *shutOut) refused(err error) bool {
	if !errors.Is(err, ErrShutOut) {
		return false
	}
	s.mu.Lock()
	s.refusals++
	sure := s.refusals == surelyShut
	s.mu.Unlock()
	if sure {
		s.tell()
	}
	return true
}

// back says that the connection stands again, and answers whether nobody was to
// expect it.
func (s *shutOut) back() (told bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	told = s.refusals >= surelyShut
	s.refusals = 0
	return told
}

// pause is the time until the next attempt to connect: short for a server that
// is away, longer each time for one that refuses, up to a minute.
func (s *shutOut) pause(int) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	d := min(s.first<<min(s.refusals, 16), mostPause)
	return d + rand.N(d/2+1)
}

const (
	strangerPause = time.Minute
	mostStrangers = 1000 // are told apart in that time
)

// strangers are those who knock in vain: each is told of once in a while, as
// they do so for ever.
type strangers struct {
	mu   sync.Mutex
	told map[string]time.Time
}

// tells whether who knocks now is to be told of.
func (s *strangers) tells(who string, at time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if last, known := s.told[who]; known && at.Sub(last) < strangerPause {
		return false
	}
	if len(s.told) >= mostStrangers {
		maps.DeleteFunc(s.told, func(_ string, last time.Time) bool { return at.Sub(last) >= strangerPause })
	}
	if len(s.told) >= mostStrangers {
		return false
	}
	if s.told == nil {
		s.told = map[string]time.Time{}
	}
	s.told[who] = at
	return true
}
