package undo

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"segno/events"
	"segno/events/fields"
	"segno/proto"
)

// revive takes a deletion back: the object is made anew as it was.
func (p *planning) revive(d *draft, before events.Object, seq proto.Seq) error {
	switch owner := controller(before); {
	case owner != "":
		p.left(d.key, "%s makes another one where one is wanted", owner)
		return nil
	case d.key.Resource == nodes:
		p.lost(d.key, "a node is a machine: it registers itself when it joins again (segno token create, then segno join there)")
		return nil
	case d.want != nil && ends(d.now):
		p.left(d.key, "it is still being deleted: undo again once it is gone")
		return nil
	}
	if roof, err := p.roofed(d.key); err != nil || !roof {
		return err
	}
	wanted, err := p.reborn(d, before)
	if err != nil {
		return err
	}
	if d.want == nil {
		d.want, d.reborn = wanted, true
		return nil
	}
	if err := d.touches(nil, wanted); err != nil {
		return err
	}
	return p.reclaim(d, wanted, seq)
}

// roofed tells whether an object has a namespace that it can be made in.
func (p *planning) roofed(key proto.ObjectKey) (bool, error) {
	if key.Namespace == "" {
		return true, nil
	}
	of := namespaces.Key("", key.Namespace)
	ns, err := p.draft(of)
	switch {
	case err != nil || ns == nil:
		return ns == nil, err
	case ends(ns.now):
		p.left(key, "its namespace is being deleted: undo again once that is gone")
		return false, nil
	case ns.want != nil:
		return true, nil
	}
	gone, err := p.goneBy(of)
	p.left(key, "its namespace is gone%s", gone)
	return false, err
}

// refill makes anew what went with a namespace.
func (p *planning) refill(d *draft, seq proto.Seq) error {
	if d.key.Resource != namespaces || d.want == nil || ends(d.now) {
		return nil
	}
	return p.contents(d.key.Name, seq-1, func(d *draft, then events.Object) error { return p.revive(d, then, seq) })
}

// reclaim gives an object that was made again since what the deleted one had.
func (p *planning) reclaim(d *draft, wanted map[string]any, seq proto.Seq) error {
	since, err := p.authors(d.key, seq)
	if err != nil {
		return err
	}
	d.want = fields.Merge(d.want, d.want, wanted, func(f fields.Field) bool {
		by := since.of(f.Path)
		if by == nil {
			by = since.newest() // who made it again, without the field
		}
		if by == nil || by.Actor.Person() {
			return p.conflict(d.key, f, by)
		}
		if strings.HasPrefix(f.Path, "spec.") && d.key.Resource != pods {
			p.left(d.key, ".%s stays: %s set it", f.Path, by.Actor)
		}
		return false
	})
	return nil
}

// reborn is what an object that was deleted is made anew of.
func (p *planning) reborn(d *draft, before events.Object) (map[string]any, error) {
	obj := events.Copy(before)
	obj.SetFinalizers(slices.DeleteFunc(obj.GetFinalizers(), func(f string) bool {
		return f == metav1.FinalizerOrphanDependents || f == metav1.FinalizerDeleteDependents
	}))
	owners, err := p.living(d.key, obj.GetOwnerReferences())
	if err != nil {
		return nil, err
	}
	obj.SetOwnerReferences(owners)
	if pod, ok := obj.(*corev1.Pod); ok {
		pod.Spec.NodeName = ""
	}
	fields, err := intent(d.kind, obj)
	if err != nil {
		return nil, err
	}
	if service, ok := obj.(*corev1.Service); ok {
		return p.freed(d, service)
	}
	return fields, nil
}

// living are the owners that still are what they were.
func (p *planning) living(key proto.ObjectKey, refs []metav1.OwnerReference) (out []metav1.OwnerReference, err error) {
	for _, ref := range refs {
		owner, known := p.ownerOf(key, ref)
		if !known {
			continue
		}
		found, err := p.Now.Get(owner)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", owner, err)
		}
		if found != nil && found.GetUID() == ref.UID {
			out = append(out, ref)
			continue
		}
		p.lost(key, "that it belongs to %s/%s: that one is gone", strings.ToLower(ref.Kind), ref.Name)
	}
	return out, nil
}

// ownerOf is the object that an owner reference names; known is false for one of a
// kind that there is none of.
func (p *planning) ownerOf(key proto.ObjectKey, ref metav1.OwnerReference) (owner proto.ObjectKey, known bool) {
	version, err := schema.ParseGroupVersion(ref.APIVersion)
	if err != nil {
		return owner, false
	}
	kind := p.Table.ForKind(version.WithKind(ref.Kind))
	if kind == nil {
		return owner, false
	}
	owner = kind.Resource.Key("", ref.Name)
	if kind.Namespaced {
		owner.Namespace = key.Namespace
	}
	return owner, true
}

// maker is what makes an object, itself or through what it makes: a pod's is its
// deployment.
func (p *planning) maker(view events.View, key proto.ObjectKey, obj events.Object) (proto.ObjectKey, error) {
	const most = 10 // owners may own each other
	for range most {
		ref := metav1.GetControllerOf(obj)
		if ref == nil {
			break
		}
		owner, known := p.ownerOf(key, *ref)
		if !known {
			break
		}
		key = owner
		var err error
		if obj, err = view.Get(owner); err != nil {
			return key, fmt.Errorf("read %s: %w", owner, err)
		}
		if obj == nil {
			break
		}
	}
	return key, nil
}

// release gives up addresses of a service that others hold by now.
func (p *planning) release(d *draft) error {
	if d.key.Resource != services || same(d.is, d.want) {
		return nil
	}
	obj, err := realize(d.kind, d.want)
	if err != nil {
		return err
	}
	d.want, err = p.freed(d, obj.(*corev1.Service))
	return err
}

// freed is a service without the addresses and ports that others hold by now; of
// those it keeps what it has instead.
func (p *planning) freed(d *draft, service *corev1.Service) (map[string]any, error) {
	others, err := events.ListAs[*corev1.Service](p.Now, events.Query{Resource: services})
	if err != nil {
		return nil, fmt.Errorf("list services: %w", err)
	}
	has, _ := d.now.(*corev1.Service)
	if has == nil {
		has = &corev1.Service{}
	}
	for _, other := range others {
		key := services.Key(other.Namespace, other.Name)
		if key == d.key || p.drafts[key] != nil && p.drafts[key].want == nil {
			continue
		}
		spec := &service.Spec
		if at := slices.IndexFunc(spec.ClusterIPs, func(ip string) bool {
			return ip != corev1.ClusterIPNone && slices.Contains(other.Spec.ClusterIPs, ip)
		}); at >= 0 {
			p.lost(d.key, "its address %s: services/%s in %s has it by now, so it gets another", spec.ClusterIPs[at], other.Name, other.Namespace)
			spec.ClusterIP, spec.ClusterIPs = has.Spec.ClusterIP, has.Spec.ClusterIPs
		}
		for i := range spec.Ports {
			port := &spec.Ports[i]
			if port.NodePort != 0 && holds(other, port.NodePort) {
				p.lost(d.key, "its node port %d: services/%s in %s has it by now, so it gets another", port.NodePort, other.Name, other.Namespace)
				port.NodePort = nodePortOf(has, port)
			}
		}
		if number := spec.HealthCheckNodePort; number != 0 && holds(other, number) {
			p.lost(d.key, "its health check node port %d: services/%s in %s has it by now, so it gets another", number, other.Name, other.Namespace)
			spec.HealthCheckNodePort = has.Spec.HealthCheckNodePort
		}
	}
	return intent(d.kind, service)
}

func holds(service *corev1.Service, number int32) bool {
	return service.Spec.HealthCheckNodePort == number ||
		slices.ContainsFunc(service.Spec.Ports, func(port corev1.ServicePort) bool { return port.NodePort == number })
}

// nodePortOf is the node port that a service has for a port; 0 lets one be given.
func nodePortOf(service *corev1.Service, like *corev1.ServicePort) int32 {
	for i := range service.Spec.Ports {
		if port := &service.Spec.Ports[i]; port.Port == like.Port && port.Protocol == like.Protocol {
			return port.NodePort
		}
	}
	return 0
}
