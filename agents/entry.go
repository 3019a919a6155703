package agents

import (
	"context"
	"errors"
	"net/netip"
	"sync/atomic"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"segno/agents/ingress"
	"segno/events/ingressrule"
	"segno/proto"
)

var secrets = proto.Resource{Name: "secrets"}

// entry lets clients in from outside while the control plane's Node object says
// that this node is to, with the certificates that the node was told of.
type entry struct {
	chosen  atomic.Bool
	turned  chan struct{} // chosen changed
	secrets ingress.Secrets
}

// choose takes what the Node object says, and tells whether that is news. A node
// that runs ingress no more forgets the certificates at once: it is told of them
// again when it does.
func (e *entry) choose(chosen bool) (news bool) {
	if e.chosen.Swap(chosen) == chosen {
		return false
	}
	if !chosen {
		e.secrets.Forget()
	}
	notify(e.turned)
	return true
}

// takeCertificates takes all Secrets that there are for this node: none, which says
// nothing, before it is to run ingress.
func (e *entry) takeCertificates(all []*corev1.Secret) {
	if e.chosen.Load() {
		e.secrets.Replace(all)
	}
}

func (a *Agent) newIngress() (*ingress.Ingress, error) {
	options := *a.cfg.Ingress
	if len(options.Addresses) == 0 {
		options.Addresses = []netip.Addr{a.cfg.Address}
	}
	return ingress.New(ingress.Config{
		Options: options, Catalog: a.cfg.Catalog, Secrets: &a.entry.secrets, Node: a.proxied, Logger: a.cfg.Logger,
		Told: func(status ingress.Status) { a.changeHealth(func(h *health) { h.entry, h.assumed = status, false }) },
	})
}

// assembleEntry finds at once what would keep ingress from running later.
func (a *Agent) assembleEntry() error {
	a.entry.turned = make(chan struct{}, 1)
	if a.cfg.Ingress == nil {
		return nil
	}
	_, err := a.newIngress()
	return err
}

// enter runs ingress whenever this node is to, once it is known what is to be
// served.
func (a *Agent) enter(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-a.shared.known:
	}
	for {
		if a.entry.chosen.Load() {
			if err := a.enterWhileChosen(ctx); err != nil {
				return err
			}
			a.changeHealth(func(h *health) {
				h.entry, h.assumed = ingress.Status{}, false
				delete(h.former.said, ingressrule.Condition)
			})
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-a.entry.turned:
		}
	}
}

// enterWhileChosen ends without an error when this node is not to run ingress any
// more: its ports are closed then.
func (a *Agent) enterWhileChosen(ctx context.Context) error {
	in, err := a.newIngress()
	if err != nil {
		return err
	}
	running, end := context.WithCancel(ctx)
	defer end()
	done := make(chan error, 1)
	go func() { done <- in.Run(running) }()
	for {
		select {
		case err := <-done:
			return err
		case <-a.entry.turned:
		}
		if a.entry.chosen.Load() {
			continue
		}
		end()
		if err := <-done; err != nil && !errors.Is(err, context.Canceled) {
			return err
		}
		notify(a.entry.turned) // it may have been chosen again meanwhile
		return ctx.Err()
	}
}

// takeSecret takes a Secret as it now is, or its end. It is kept nowhere else; a node
// that is not to run ingress has none, and is told of all when it is.
func (a *Agent) takeSecret(object *proto.WantPod) {
	if !a.entry.chosen.Load() {
		return
	}
	name := types.NamespacedName{Namespace: object.Key.Namespace, Name: object.Key.Name}
	if object.Gone {
		a.entry.secrets.Set(name, nil)
		return
	}
	if secret, ok := a.readSecret(object); ok {
		a.entry.secrets.Set(name, secret)
	}
}

func (a *Agent) readSecret(object *proto.WantPod) (*corev1.Secret, bool) {
	secret := &corev1.Secret{}
	if err := secret.Unmarshal(object.Body); err != nil {
		a.cfg.Logger.Error("a certificate cannot be read", "secret", object.Key.String(), "error", err)
		return nil, false
	}
	return secret, true
}
