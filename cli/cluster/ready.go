package cluster

import (
	"errors"
	"sync/atomic"
)

// readiness is what /readyz answers.
type readiness struct{ up atomic.Bool }

func (r *readiness) set() { r.up.Store(true) }

func (r *readiness) check() error {
	if !r.up.Load() {
		return errors.New("the control plane is starting")
	}
	return nil
}
