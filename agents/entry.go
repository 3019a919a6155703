package agents

import (
	"context"
	"net/netip"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"segno/agents/ingress"
	"segno/proto"
)

var secrets = proto.Resource{Name: "secrets"}

// entry lets clients in from outside, with the certificates that this node was
// told of.
type entry struct {
	ingress *ingress.Ingress // nil where none runs
	secrets ingress.Secrets
}

func (a *Agent) assembleEntry() (err error) {
	if a.cfg.Ingress == nil {
		return nil
	}
	options := *a.cfg.Ingress
	if len(options.Addresses) == 0 {
		options.Addresses = []netip.Addr{a.cfg.Address}
	}
	a.entry.ingress, err = ingress.New(ingress.Config{
		Options: options, Catalog: a.cfg.Catalog, Secrets: &a.entry.secrets, Node: a.proxied, Logger: a.cfg.Logger,
		Told: func(status ingress.Status) { a.changeHealth(func(h *health) { h.entry = status }) },
	})
	return err
}

// enter waits until it is known what is to be served.
func (a *Agent) enter(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-a.shared.known:
	}
	return a.entry.ingress.Run(ctx)
}

// takeSecret takes a Secret as it now is, or its end. It is kept nowhere else.
func (a *Agent) takeSecret(object *proto.WantPod) {
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
