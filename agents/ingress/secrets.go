package ingress

import (
	"maps"
	"sync"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
)

// Secrets are those that a node was told of, in memory only. The zero value is
// empty and ready. It is safe for concurrent use.
type Secrets struct {
	mu    sync.Mutex
	all   map[types.NamespacedName]*corev1.Secret
	heard heard
	moved chan struct{} // closed when they change; nil while nobody waits
}

// heard is how far a node was told which Secrets there are.
type heard int

const (
	nothing   heard = iota // they may be on their way
	tooLate                // nothing, and who waits for them need not any longer
	whatIsAll              // what is not among them does not exist
)

// Replace makes the Secrets exactly these.
func (s *Secrets) Replace(all []*corev1.Secret) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.heard = whatIsAll
	s.all = make(map[types.NamespacedName]*corev1.Secret, len(all))
	for _, secret := range all {
		s.all[types.NamespacedName{Namespace: secret.Namespace, Name: secret.Name}] = secret
	}
	s.tell()
}

// Set takes one Secret as it now is; nil is its end.
func (s *Secrets) Set(name types.NamespacedName, secret *corev1.Secret) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if secret == nil {
		delete(s.all, name)
	} else {
		if s.all == nil {
			s.all = map[types.NamespacedName]*corev1.Secret{}
		}
		s.all[name] = secret
	}
	s.tell()
}

// Forget makes it as if nothing had been told.
func (s *Secrets) Forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.heard, s.all = nothing, nil
	s.tell()
}

// giveUp waits no longer: nobody has told in time.
func (s *Secrets) giveUp() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.heard == nothing {
		s.heard = tooLate
		s.tell()
	}
}

// known answers the Secrets, how far the node was told of them, and what is closed
// when that is something else.
func (s *Secrets) known() (all map[types.NamespacedName]*corev1.Secret, how heard, moved <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.moved == nil {
		s.moved = make(chan struct{})
	}
	return maps.Clone(s.all), s.heard, s.moved
}

func (s *Secrets) tell() {
	if s.moved != nil {
		close(s.moved)
		s.moved = nil
	}
}
