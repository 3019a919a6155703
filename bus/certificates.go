package bus

import (
	"bytes"
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"segno/events"
	"segno/events/ingressrule"
	"segno/proto"
)

var (
	ingressResource      = proto.Resource{Group: networkingv1.GroupName, Name: "ingresses"}
	ingressClassResource = proto.Resource{Group: networkingv1.GroupName, Name: "ingressclasses"}
	secretResource       = proto.Resource{Name: "secrets"}
)

// certificates are the Secrets that nodes are told of that were chosen to run
// ingress: those of the type kubernetes.io/tls that an Ingress names which nodes
// serve. What a node says of itself does not count. Only the loop that follows the
// log uses them.
type certificates struct {
	classes map[string]bool                       // that nodes serve
	named   map[proto.ObjectKey][]proto.ObjectKey // by Ingress: its Secrets
	uses    map[proto.ObjectKey]int               // by Secret: how many Ingresses name it
	nodes   map[proto.NodeName]bool               // that were chosen to run ingress
}

// newCertificates is who needs what in a view.
func newCertificates(view events.View) (*certificates, error) {
	c := &certificates{nodes: map[proto.NodeName]bool{}}
	if err := c.recount(view); err != nil {
		return nil, err
	}
	nodes, err := events.ListAs[*corev1.Node](view, events.Query{Resource: nodeResource})
	if err != nil {
		return nil, fmt.Errorf("list the nodes: %w", err)
	}
	for _, node := range nodes {
		if ingressrule.Chosen(node) {
			c.nodes[proto.NodeName(node.Name)] = true
		}
	}
	return c, nil
}

// recount looks at all Ingresses.
func (c *certificates) recount(view events.View) error {
	classes, err := events.ListAs[*networkingv1.IngressClass](view, events.Query{Resource: ingressClassResource})
	if err != nil {
		return fmt.Errorf("list the classes of Ingresses: %w", err)
	}
	ingresses, err := events.ListAs[*networkingv1.Ingress](view, events.Query{Resource: ingressResource})
	if err != nil {
		return fmt.Errorf("list the Ingresses: %w", err)
	}
	c.classes, c.named, c.uses = ingressrule.Classes(classes), map[proto.ObjectKey][]proto.ObjectKey{}, map[proto.ObjectKey]int{}
	for _, ingress := range ingresses {
		c.name(ingressResource.Key(ingress.Namespace, ingress.Name), ingress)
	}
	return nil
}

// name notes which Secrets an Ingress names; nil is an Ingress that is gone.
func (c *certificates) name(key proto.ObjectKey, ingress *networkingv1.Ingress) {
	for _, secret := range c.named[key] {
		if c.uses[secret]--; c.uses[secret] == 0 {
			delete(c.uses, secret)
		}
	}
	delete(c.named, key)
	if ingress == nil || !ingressrule.Served(ingress, c.classes) {
		return
	}
	for _, name := range ingressrule.Secrets(ingress) {
		secret := secretResource.Key(key.Namespace, name)
		c.named[key] = append(c.named[key], secret)
		c.uses[secret]++
	}
}

// changeCertificates tells the nodes that are to run ingress of certificates, after
// a change of what decides on that.
func (r *Relay) changeCertificates(c events.Change) error {
	if c.After == nil {
		return nil
	}
	switch c.After.Key.Resource {
	case secretResource:
		if r.certs.uses[c.After.Key] == 0 {
			return nil
		}
		return r.tellCertificates(r.certs.nodes, c.Seq, c.After.Key)
	case nodeResource:
		return r.chooseNode(c)
	case ingressResource, ingressClassResource:
		if c.Before != nil && c.Before.Deleted == c.After.Deleted && bytes.Equal(c.Before.Spec, c.After.Spec) {
			return nil // its status
		}
		before := maps.Clone(r.certs.uses)
		if err := r.recount(c); err != nil {
			return err
		}
		var changed []proto.ObjectKey
		for key := range r.certs.uses {
			if before[key] == 0 {
				changed = append(changed, key)
			}
		}
		for key := range before {
			if r.certs.uses[key] == 0 {
				changed = append(changed, key)
			}
		}
		return r.tellCertificates(r.certs.nodes, c.Seq, changed...)
	}
	return nil
}

func (r *Relay) recount(c events.Change) error {
	if c.After.Key.Resource == ingressClassResource {
		return r.certs.recount(r.cfg.Events.View())
	}
	if c.After.Deleted {
		r.certs.name(c.After.Key, nil)
		return nil
	}
	object, err := r.cfg.Table.Decode(c.After)
	if err != nil {
		return err
	}
	if ingress, ok := object.(*networkingv1.Ingress); ok {
		r.certs.name(c.After.Key, ingress)
	}
	return nil
}

// chooseNode looks whether a node was chosen to run ingress, or is not any more.
func (r *Relay) chooseNode(c events.Change) error {
	name := proto.NodeName(c.After.Key.Name)
	if c.After.Deleted {
		delete(r.certs.nodes, name)
		return nil
	}
	object, err := r.cfg.Table.Decode(c.After)
	if err != nil {
		return err
	}
	node, ok := object.(*corev1.Node)
	if !ok {
		return nil
	}
	chosen := ingressrule.Chosen(node)
	if chosen == r.certs.nodes[name] {
		return nil
	}
	if !chosen {
		delete(r.certs.nodes, name)
		return nil // it knows by its Node object, and forgets what it knew
	}
	r.certs.nodes[name] = true
	return r.tellCertificates(map[proto.NodeName]bool{name: true}, c.Seq, slices.Collect(maps.Keys(r.certs.uses))...)
}

// tellCertificates tells nodes of Secrets as they are now: one that no Ingress
// names, or that is no certificate, is gone for them.
func (r *Relay) tellCertificates(nodes map[proto.NodeName]bool, seq proto.Seq, keys ...proto.ObjectKey) error {
	if len(nodes) == 0 || len(keys) == 0 {
		return nil
	}
	view := r.cfg.Events.View()
	for _, key := range slices.SortedFunc(slices.Values(keys), events.CompareKeys) {
		want := proto.WantPod{Key: key, Seq: seq, Gone: true}
		secret, err := certificate(view, key)
		if err != nil {
			return err
		}
		if secret != nil && r.certs.uses[key] > 0 {
			body, err := secret.Marshal()
			if err != nil {
				return fmt.Errorf("encode %s: %w", key, err)
			}
			want.UID, want.Gone, want.Body = string(secret.UID), false, body
		}
		for node := range nodes {
			if err := r.tell(node, seq, want); err != nil {
				return err
			}
		}
	}
	return nil
}

// certificate is a Secret of the type of certificates, as nodes need it.
func certificate(view events.View, key proto.ObjectKey) (*corev1.Secret, error) {
	secret, found, err := events.GetAs[*corev1.Secret](view, key)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", key, err)
	}
	if !found || secret.Type != corev1.SecretTypeTLS {
		return nil, nil
	}
	needed := events.Copy(secret)
	needed.Annotations, needed.ManagedFields = nil, nil // may have a copy of the key
	for name := range needed.Data {
		if name != corev1.TLSCertKey && name != corev1.TLSPrivateKeyKey {
			delete(needed.Data, name)
		}
	}
	return needed, nil
}

// entryOf is what nodes need to know of an Ingress: all but its status.
func entryOf(ingress *networkingv1.Ingress) *networkingv1.Ingress {
	return &networkingv1.Ingress{
		ObjectMeta: metav1.ObjectMeta{
			Name: ingress.Name, Namespace: ingress.Namespace, UID: ingress.UID, Annotations: ingress.Annotations,
			CreationTimestamp: ingress.CreationTimestamp, DeletionTimestamp: ingress.DeletionTimestamp,
		},
		Spec: ingress.Spec,
	}
}

// entries adds all Ingresses.
func (s *syncing) entries(view events.View) error {
	ingresses, err := events.ListAs[*networkingv1.Ingress](view, events.Query{Resource: ingressResource})
	if err != nil {
		return fmt.Errorf("list the Ingresses: %w", err)
	}
	for _, ingress := range ingresses {
		short := entryOf(ingress)
		short.ResourceVersion = ingress.ResourceVersion
		if err := s.add(ingressResource, short); err != nil {
			return err
		}
	}
	return nil
}

// certificatesOf adds the certificates, for a node that is to run ingress.
func (s *syncing) certificatesOf(view events.View, node *corev1.Node) error {
	if !ingressrule.Chosen(node) {
		return nil
	}
	all := certificates{}
	if err := all.recount(view); err != nil {
		return err
	}
	for _, key := range slices.SortedFunc(maps.Keys(all.uses), events.CompareKeys) {
		secret, err := certificate(view, key)
		if err != nil {
			return err
		}
		if secret == nil {
			continue
		}
		if err := s.add(secretResource, secret); err != nil {
			return err
		}
	}
	return nil
}
