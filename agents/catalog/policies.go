package catalog

import (
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"

	"segno/proto"
)

// Policy answers a NetworkPolicy, or false when none of that key is known.
func (c *Catalog) Policy(key proto.ObjectKey) (*networkingv1.NetworkPolicy, bool) {
	return policed[*networkingv1.NetworkPolicy](c, key)
}

// Pod answers a pod as policies see it, or false when none of that key is known,
// as of pods without an address of their own.
func (c *Catalog) Pod(key proto.ObjectKey) (*corev1.Pod, bool) {
	return policed[*corev1.Pod](c, key)
}

// Namespace answers a namespace with its labels.
func (c *Catalog) Namespace(key proto.ObjectKey) (*corev1.Namespace, bool) {
	return policed[*corev1.Namespace](c, key)
}

func policed[T any](c *Catalog, key proto.ObjectKey) (T, bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	is, ok := c.policed[key].(T)
	return is, ok
}

// setPoliced takes a policy, or somebody of whom policies speak.
func setPoliced[T comparable](key proto.ObjectKey) func(*Catalog, T) {
	return func(c *Catalog, object T) {
		var none T
		if c.policed == nil {
			c.policed = map[proto.ObjectKey]any{}
		}
		if object == none {
			delete(c.policed, key)
		} else {
			c.policed[key] = object
		}
		c.tellOfPolicies(key)
	}
}

func (c *Catalog) replacePoliced(next map[proto.ObjectKey]any) {
	before := c.policed
	c.policed = next
	for _, all := range []map[proto.ObjectKey]any{before, next} {
		for key := range all {
			c.tellOfPolicies(key)
		}
	}
}

func (c *Catalog) tellOfPolicies(key proto.ObjectKey) {
	for f := range c.policyFollowers {
		f.tell(key)
	}
}
