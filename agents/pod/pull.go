package pod

import (
	"context"
	"errors"

	corev1 "k8s.io/api/core/v1"

	"segno/agents/runtime"
)

// pull is an image on its way to a container. Of all effects this one may
// take hours: it holds no slot of the keeper's, and ends when it is no longer
// wanted.
type pull struct {
	container, image string
	stop             context.CancelFunc
}

// errNotWanted ends a pull; nothing has failed.
var errNotWanted = errors.New("no longer wanted")

// of says that the want is still about this image.
func (p *pull) of(want Want) bool {
	if want.ending() {
		return false
	}
	c := containerNamed(want.Pod, p.container)
	return c != nil && c.Image == p.image
}

// pullImage is called with a slot, and returns with one.
func (k *Keeper) pullImage(ctx context.Context, l *life, c *corev1.Container) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	p := &pull{container: c.Name, image: c.Image, stop: stop}
	if !k.begin(l, p) {
		return errNotWanted
	}
	<-k.slots
	err := k.cfg.Runtime.PullImage(ctx, c.Image)
	k.slots <- struct{}{} // those who have one give it back at once when the keeper ends
	if wanted := k.finish(l, p); !wanted && err != nil {
		return errNotWanted
	}
	switch {
	case err == nil || errors.Is(err, runtime.ErrDown):
		return err
	case errors.Is(err, runtime.ErrImageName):
		return because(invalidImageName, "%w", err)
	default:
		return because(errImagePull, "%w", err)
	}
}

// begin has the pull stopped by the next want that is not of it.
func (k *Keeper) begin(l *life, p *pull) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !p.of(l.want) {
		return false
	}
	l.pull = p
	return true
}

func (k *Keeper) finish(l *life, p *pull) (wanted bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	l.pull = nil
	return p.of(l.want)
}
