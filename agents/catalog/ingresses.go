package catalog

import (
	"maps"
	"slices"

	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/types"
)

// entries are the Ingresses with their classes.
type entries struct {
	ingresses map[types.NamespacedName]*networkingv1.Ingress
	classes   map[string]*networkingv1.IngressClass
	moved     chan struct{} // closed when they change; nil while nobody waits
}

// Ingresses answers all Ingresses and all their classes, in no order, and what is
// closed when they are others. Of their status nothing is known.
func (c *Catalog) Ingresses() ([]*networkingv1.Ingress, []*networkingv1.IngressClass, <-chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.entries.moved == nil {
		c.entries.moved = make(chan struct{})
	}
	return slices.Collect(maps.Values(c.entries.ingresses)), slices.Collect(maps.Values(c.entries.classes)), c.entries.moved
}

func (c *Catalog) setIngress(name types.NamespacedName, ingress *networkingv1.Ingress) {
	if c.entries.ingresses == nil {
		c.entries.ingresses = map[types.NamespacedName]*networkingv1.Ingress{}
	}
	if ingress == nil {
		delete(c.entries.ingresses, name)
	} else {
		c.entries.ingresses[name] = ingress
	}
	c.tellOfIngresses()
}

func (c *Catalog) setIngressClass(name string, class *networkingv1.IngressClass) {
	if c.entries.classes == nil {
		c.entries.classes = map[string]*networkingv1.IngressClass{}
	}
	if class == nil {
		delete(c.entries.classes, name)
	} else {
		c.entries.classes[name] = class
	}
	c.tellOfIngresses()
}

// setEntries keeps who waits waiting when everything is as before.
func (c *Catalog) setEntries(next entries) {
	same := maps.EqualFunc(c.entries.ingresses, next.ingresses, func(a, b *networkingv1.Ingress) bool {
		return a.UID == b.UID && a.DeletionTimestamp.Equal(b.DeletionTimestamp) && equality.Semantic.DeepEqual(a.Spec, b.Spec) && maps.Equal(a.Annotations, b.Annotations)
	}) && maps.EqualFunc(c.entries.classes, next.classes, func(a, b *networkingv1.IngressClass) bool {
		return equality.Semantic.DeepEqual(a.Spec, b.Spec)
	})
	c.entries.ingresses, c.entries.classes = next.ingresses, next.classes
	if !same {
		c.tellOfIngresses()
	}
}

func (c *Catalog) tellOfIngresses() {
	if c.entries.moved != nil {
		close(c.entries.moved)
		c.entries.moved = nil
	}
}
