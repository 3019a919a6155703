package catalog

import (
	"errors"
	"fmt"
	"sync"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"segno/proto"
)

// The resources that a catalog holds.
var (
	Services = proto.Resource{Name: "services"}
	Slices   = proto.Resource{Group: discoveryv1.GroupName, Name: "endpointslices"}
	Nodes    = proto.Resource{Name: "nodes"}

	Policies   = proto.Resource{Group: networkingv1.GroupName, Name: "networkpolicies"}
	Pods       = proto.Resource{Name: "pods"}
	Namespaces = proto.Resource{Name: "namespaces"}

	Ingresses      = proto.Resource{Group: networkingv1.GroupName, Name: "ingresses"}
	IngressClasses = proto.Resource{Group: networkingv1.GroupName, Name: "ingressclasses"}
)

// Catalog holds the Services of a cluster with their EndpointSlices, where its
// nodes are, its Ingresses, and its NetworkPolicies with whom they speak of. The
// zero Catalog is empty and ready. It is safe for concurrent use.
type Catalog struct {
	// Decoded are objects that other catalogs of this process have, too; nil is
	// none. It is set before the first object comes.
	Decoded *Decoded

	mu        sync.RWMutex
	services  map[types.NamespacedName]*entry
	owners    map[types.NamespacedName]types.NamespacedName // of each slice: its Service
	followers map[*Follower]struct{}
	nodes     map[string]*corev1.Node
	moved     chan struct{} // closed when nodes change; nil while nobody waits
	entries   entries

	policed         map[proto.ObjectKey]any // policies, pods and namespaces
	policyFollowers map[*PolicyFollower]struct{}
}

// entry is a Service with its slices; either may be there before the other.
type entry struct {
	service *corev1.Service
	slices  map[string]*discoveryv1.EndpointSlice // by name
}

// Service is a Service with what is behind it.
type Service struct {
	*corev1.Service
	// Slices are in no order.
	Slices []*discoveryv1.EndpointSlice
}

// Get answers a Service, or false when none of that name is known.
func (c *Catalog) Get(name types.NamespacedName) (Service, bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	e := c.services[name]
	if e == nil || e.service == nil {
		return Service{}, false
	}
	out := Service{Service: e.service, Slices: make([]*discoveryv1.EndpointSlice, 0, len(e.slices))}
	for _, slice := range e.slices {
		out.Slices = append(out.Slices, slice)
	}
	return out, true
}

// Names answers the names of all Services, in no order.
func (c *Catalog) Names() []types.NamespacedName {
	c.mu.RLock()
	defer c.mu.RUnlock()
	out := make([]types.NamespacedName, 0, len(c.services))
	for name, e := range c.services {
		if e.service != nil {
			out = append(out, name)
		}
	}
	return out
}

// Apply takes one object as it now is, or its end. What cannot be read is an
// error, and changes nothing.
func (c *Catalog) Apply(object *proto.WantPod) error {
	taken, err := read(object, c.Decoded)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	taken(c)
	return nil
}

// Replace makes the catalog exactly these objects. Those that cannot be read are
// left out, and named by the error.
func (c *Catalog) Replace(objects []proto.WantPod) error {
	next := &Catalog{}
	var unread []error
	for i := range objects {
		taken, err := read(&objects[i], c.Decoded)
		if err != nil {
			unread = append(unread, err)
			continue
		}
		taken(next)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	before := c.services
	c.services, c.owners = next.services, next.owners
	c.setNodes(next.nodes)
	c.setEntries(next.entries)
	c.replacePoliced(next.policed)
	for name := range before {
		c.changed(name)
	}
	for name := range c.services {
		c.changed(name)
	}
	return errors.Join(unread...)
}

// read decodes an object and answers what takes it into a catalog.
func read(object *proto.WantPod, known *Decoded) (func(*Catalog), error) {
	name := types.NamespacedName{Namespace: object.Key.Namespace, Name: object.Key.Name}
	switch object.Key.Resource {
	case Services:
		return taken(object, known, &corev1.Service{}, func(c *Catalog, service *corev1.Service) { c.setService(name, service) })
	case Slices:
		return taken(object, known, &discoveryv1.EndpointSlice{}, func(c *Catalog, slice *discoveryv1.EndpointSlice) { c.setSlice(name, slice) })
	case Nodes:
		return taken(object, known, &corev1.Node{}, func(c *Catalog, node *corev1.Node) { c.setNode(name.Name, node) })
	case Policies:
		return taken(object, known, &networkingv1.NetworkPolicy{}, setPoliced[*networkingv1.NetworkPolicy](object.Key))
	case Pods:
		return taken(object, known, &corev1.Pod{}, setPoliced[*corev1.Pod](object.Key))
	case Namespaces:
		return taken(object, known, &corev1.Namespace{}, setPoliced[*corev1.Namespace](object.Key))
	case Ingresses:
		return taken(object, known, &networkingv1.Ingress{}, func(c *Catalog, ingress *networkingv1.Ingress) { c.setIngress(name, ingress) })
	case IngressClasses:
		return taken(object, known, &networkingv1.IngressClass{}, func(c *Catalog, class *networkingv1.IngressClass) { c.setIngressClass(name.Name, class) })
	}
	return nil, fmt.Errorf("%s: a catalog holds no such thing", object.Key)
}

// decoded is an object of a kind.
type decoded interface {
	comparable
	Unmarshal(data []byte) error
	SetManagedFields(fields []metav1.ManagedFieldsEntry)
}

// taken decodes an object, unless it is known; set gets none when it is gone.
func taken[T decoded](object *proto.WantPod, known *Decoded, into T, set func(*Catalog, T)) (func(*Catalog), error) {
	if object.Gone {
		var none T
		known.forget(object)
		return func(c *Catalog) { set(c, none) }, nil
	}
	if same, ok := known.find(object).(T); ok {
		return func(c *Catalog) { set(c, same) }, nil
	}
	if err := into.Unmarshal(object.Body); err != nil {
		return nil, fmt.Errorf("decode %s: %w", object.Key, err)
	}
	into.SetManagedFields(nil) // nobody asks a node for them
	known.keep(object, into)
	return func(c *Catalog) { set(c, into) }, nil
}

func (c *Catalog) setService(name types.NamespacedName, service *corev1.Service) {
	c.of(name).service = service
	c.tidy(name)
	c.changed(name)
}

// setSlice also takes a slice from the Service that it was labelled with before.
func (c *Catalog) setSlice(name types.NamespacedName, slice *discoveryv1.EndpointSlice) {
	if owner, ok := c.owners[name]; ok {
		delete(c.of(owner).slices, name.Name)
		delete(c.owners, name)
		c.tidy(owner)
		c.changed(owner)
	}
	if slice == nil || slice.Labels[discoveryv1.LabelServiceName] == "" {
		return
	}
	owner := types.NamespacedName{Namespace: name.Namespace, Name: slice.Labels[discoveryv1.LabelServiceName]}
	e := c.of(owner)
	if e.slices == nil {
		e.slices = map[string]*discoveryv1.EndpointSlice{}
	}
	e.slices[name.Name] = slice
	if c.owners == nil {
		c.owners = map[types.NamespacedName]types.NamespacedName{}
	}
	c.owners[name] = owner
	c.changed(owner)
}

func (c *Catalog) of(name types.NamespacedName) *entry {
	e := c.services[name]
	if e == nil {
		if c.services == nil {
			c.services = map[types.NamespacedName]*entry{}
		}
		e = &entry{}
		c.services[name] = e
	}
	return e
}

func (c *Catalog) tidy(name types.NamespacedName) {
	if e := c.services[name]; e != nil && e.service == nil && len(e.slices) == 0 {
		delete(c.services, name)
	}
}
