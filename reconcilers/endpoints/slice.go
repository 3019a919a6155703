package endpoints

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
)

// Who writes a slice: it says so in a label, and others leave it alone.
const (
	managedBySelector = "endpointslice-controller.k8s.io"
	managedByMirror   = "endpointslicemirroring-controller.k8s.io"
)

// group is what may share slices: endpoints of one address family and with the
// same ports.
type group struct {
	family    discoveryv1.AddressType
	ports     []discoveryv1.EndpointPort
	endpoints []discoveryv1.Endpoint
}

// id tells groups apart.
func (g *group) id() string { return string(g.family) + "/" + portsID(g.ports) }

// portsID tells lists of ports apart.
func portsID(ports []discoveryv1.EndpointPort) string {
	var b strings.Builder
	for _, p := range ports {
		fmt.Fprintf(&b, "%s:%s:%d:%s;", value(p.Name), value(p.Protocol), value(p.Port), value(p.AppProtocol))
	}
	return b.String()
}

func value[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}

// groupsOf groups the backends of a Service, in the order in which their groups
// first appear. A family without any has an empty group.
func groupsOf(svc *corev1.Service, backends []backend) []*group {
	var groups []*group
	byID := map[string]*group{}
	for _, family := range families(svc) {
		before := len(groups)
		for i := range backends {
			b := &backends[i]
			ip := b.address(family)
			if ip == "" {
				continue
			}
			g := &group{family: discoveryv1.AddressType(family), ports: b.ports}
			if known := byID[g.id()]; known != nil {
				g = known
			} else {
				byID[g.id()] = g
				groups = append(groups, g)
			}
			g.endpoints = append(g.endpoints, b.endpoint(svc, ip))
		}
		if len(groups) == before {
			groups = append(groups, &group{family: discoveryv1.AddressType(family)})
		}
	}
	return groups
}

func (b *backend) endpoint(svc *corev1.Service, ip string) discoveryv1.Endpoint {
	terminating := b.pod.DeletionTimestamp != nil
	endpoint := discoveryv1.Endpoint{
		Addresses:  []string{ip},
		Conditions: discoveryv1.EndpointConditions{Ready: &b.ready, Serving: &b.serving, Terminating: &terminating},
		NodeName:   b.node(),
		TargetRef:  b.reference(),
		Hints:      b.hints(svc),
	}
	if b.zone != "" {
		endpoint.Zone = &b.zone
	}
	if b.hostname != "" {
		endpoint.Hostname = &b.hostname
	}
	return endpoint
}

// endpointID tells endpoints apart over their changes.
func endpointID(e *discoveryv1.Endpoint) string {
	if e.TargetRef != nil && e.TargetRef.UID != "" {
		return string(e.TargetRef.UID)
	}
	return strings.Join(e.Addresses, ",")
}
