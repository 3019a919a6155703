package endpoints

import (
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"segno/events"
	"segno/proto"
	"segno/reconcilers"
)

// perSlice is how many endpoints a slice takes.
const perSlice = 100

// packing puts the endpoints of a Service into slices, and leaves each where it
// is: a change of one endpoint rewrites one slice.
type packing struct {
	view    events.View
	svc     *corev1.Service
	prefix  string
	manager string
	owner   metav1.OwnerReference
	labels  map[string]string

	actions []events.Action
	made    int // slices created
}

// write brings the slices up to date.
func (p *packing) write(groups []*group) ([]events.Action, error) {
	p.labels = maps.Clone(p.labels)
	p.labels[discoveryv1.LabelServiceName] = p.svc.Name
	p.labels[discoveryv1.LabelManagedBy] = p.manager
	found, err := events.ListAs[*discoveryv1.EndpointSlice](p.view, events.Query{
		Resource: reconcilers.EndpointSlices, Namespace: p.svc.Namespace,
		Labels: labels.SelectorFromSet(labels.Set{discoveryv1.LabelServiceName: p.svc.Name}), // whose index rows are few
	})
	if err != nil {
		return nil, fmt.Errorf("list slices: %w", err)
	}
	byGroup := map[string][]*discoveryv1.EndpointSlice{}
	for _, s := range found {
		if s.DeletionTimestamp == nil && s.Labels[discoveryv1.LabelManagedBy] == p.manager {
			id := (&group{family: s.AddressType, ports: s.Ports}).id()
			byGroup[id] = append(byGroup[id], s)
		}
	}
	for _, g := range groups {
		if err := p.fill(g, byGroup[g.id()]); err != nil {
			return nil, err
		}
		delete(byGroup, g.id())
	}
	for _, id := range slices.Sorted(maps.Keys(byGroup)) {
		for _, s := range byGroup[id] {
			p.remove(s)
		}
	}
	return p.actions, nil
}

// fill spreads a group over the slices that it has, and over new ones.
func (p *packing) fill(g *group, has []*discoveryv1.EndpointSlice) error {
	missing := map[string]discoveryv1.Endpoint{}
	var order []string
	for _, e := range g.endpoints {
		id := endpointID(&e)
		if _, twice := missing[id]; !twice {
			order = append(order, id)
		}
		missing[id] = e
	}
	wanted := make([]*discoveryv1.EndpointSlice, len(has))
	for i, s := range has {
		wanted[i] = p.refreshed(s, missing)
	}
	order = slices.DeleteFunc(order, func(id string) bool {
		_, isMissing := missing[id]
		return !isMissing
	})
	take := func(s *discoveryv1.EndpointSlice) {
		for len(order) > 0 && len(s.Endpoints) < perSlice {
			s.Endpoints = append(s.Endpoints, missing[order[0]])
			order = order[1:]
		}
	}
	for _, s := range wanted {
		take(s)
	}
	kept := 0
	for i, s := range wanted {
		if len(s.Endpoints) == 0 && (len(g.endpoints) > 0 || kept > 0) { // an empty group has one empty slice
			p.remove(s)
			continue
		}
		kept++
		if !equality.Semantic.DeepEqual(s, has[i]) {
			p.actions = append(p.actions, events.Update{Key: sliceKey(s), Object: s})
		}
	}
	for len(order) > 0 || kept == 0 {
		s, err := p.create(g)
		if err != nil {
			return err
		}
		take(s)
		kept++
	}
	return nil
}

// refreshed is a slice without what is not wanted any more, and with the rest as
// it is now; what it holds is taken out of missing.
func (p *packing) refreshed(s *discoveryv1.EndpointSlice, missing map[string]discoveryv1.Endpoint) *discoveryv1.EndpointSlice {
	s = events.Copy(s)
	s.Labels = maps.Clone(p.labels)
	s.OwnerReferences = []metav1.OwnerReference{p.owner}
	kept := s.Endpoints[:0]
	for i := range s.Endpoints {
		id := endpointID(&s.Endpoints[i])
		if now, ok := missing[id]; ok {
			kept = append(kept, now)
			delete(missing, id)
		}
	}
	s.Endpoints = kept
	return s
}

// create makes an empty slice, to be filled by the caller.
func (p *packing) create(g *group) (*discoveryv1.EndpointSlice, error) {
	key, err := p.freeKey()
	if err != nil {
		return nil, err
	}
	s := &discoveryv1.EndpointSlice{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: key.Namespace, Name: key.Name, GenerateName: p.prefix + "-",
			Labels: maps.Clone(p.labels), OwnerReferences: []metav1.OwnerReference{p.owner},
		},
		AddressType: g.family, Ports: g.ports, Endpoints: []discoveryv1.Endpoint{},
	}
	p.actions = append(p.actions, events.Create{
		Key: key, Object: s, UID: reconcilers.UID("slice", p.owner.UID, p.view.Seq(), key.Name),
	})
	return s, nil
}

// freeKey makes a name that is not taken.
func (p *packing) freeKey() (proto.ObjectKey, error) {
	for {
		p.made++
		name := reconcilers.Generated(p.prefix+"-", reconcilers.Suffix("slice", p.owner.UID, p.view.Seq(), p.made))
		key := reconcilers.EndpointSlices.Key(p.svc.Namespace, name)
		other, err := p.view.Get(key)
		if err != nil {
			return key, fmt.Errorf("look for slice %s: %w", key, err)
		}
		if other == nil {
			return key, nil
		}
	}
}

func (p *packing) remove(s *discoveryv1.EndpointSlice) {
	p.actions = append(p.actions, events.Delete{Key: sliceKey(s), Options: metav1.DeleteOptions{
		Preconditions: &metav1.Preconditions{UID: &s.UID},
	}})
}

func sliceKey(s *discoveryv1.EndpointSlice) proto.ObjectKey {
	return reconcilers.EndpointSlices.Key(s.Namespace, s.Name)
}
