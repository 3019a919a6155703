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
	told  bool          // what there is: what is not in all does not exist
	moved chan struct{} // closed when they change; nil while nobody waits
}

// Replace makes the Secrets exactly these.
func (s *Secrets) Replace(all []*corev1.Secret) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.told = true
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

// giveUp takes what there is for all that there is: nobody has told in time.
func (s *Secrets) giveUp() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.told {
		s.told = true
		s.tell()
	}
}

// All answers the Secrets, whether the node was told of them at all, and what is
// closed when they are others.
func (s *Secrets) All() (all map[types.NamespacedName]*corev1.Secret, told bool, moved <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.moved == nil {
		s.moved = make(chan struct{})
	}
	return maps.Clone(s.all), s.told, s.moved
}

func (s *Secrets) tell() {
	if s.moved != nil {
		close(s.moved)
		s.moved = nil
	}
}
