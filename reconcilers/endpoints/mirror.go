package endpoints

import (
	"fmt"
	"maps"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	utilnet "k8s.io/utils/net"

	"segno/events"
	"segno/events/kinds"
	"segno/reconcilers"
)

// mostMirrored is how many addresses of one subset are mirrored, as in Kubernetes.
const mostMirrored = 1000

// mirror makes slices of the Endpoints that somebody made for a Service without
// a selector, so that whoever reads slices needs to read nothing else.
func mirror(view events.View, svc *corev1.Service) ([]events.Action, error) {
	key := reconcilers.Endpoints.Key(svc.Namespace, svc.Name)
	made, exists, err := events.GetAs[*corev1.Endpoints](view, key)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", key, err)
	}
	if !exists || made.Labels[discoveryv1.LabelSkipMirror] == "true" || svc.Spec.Type == corev1.ServiceTypeExternalName {
		return nil, nil // what was mirrored before goes with its owner
	}
	p := packing{
		view: view, svc: svc, prefix: svc.Name, manager: managedByMirror,
		owner:  *metav1.NewControllerRef(made, corev1.SchemeGroupVersion.WithKind("Endpoints")),
		labels: maps.Clone(made.Labels),
	}
	if p.labels == nil {
		p.labels = map[string]string{}
	}
	delete(p.labels, managedByLabel)
	return p.write(mirrored(made))
}

// mirrored groups the addresses of Endpoints.
func mirrored(made *corev1.Endpoints) []*group {
	var groups []*group
	byID := map[string]*group{}
	add := func(address *corev1.EndpointAddress, ports []discoveryv1.EndpointPort, ready bool) {
		g := &group{family: discoveryv1.AddressTypeIPv4, ports: ports}
		if utilnet.IsIPv6String(address.IP) {
			g.family = discoveryv1.AddressTypeIPv6
		}
		if known := byID[g.id()]; known != nil {
			g = known
		} else {
			byID[g.id()] = g
			groups = append(groups, g)
		}
		g.endpoints = append(g.endpoints, mirroredEndpoint(address, ready))
	}
	for i := range made.Subsets {
		subset := &made.Subsets[i]
		ports := mirroredPorts(subset.Ports)
		room := mostMirrored // ready ones first
		for j := range subset.Addresses[:min(room, len(subset.Addresses))] {
			add(&subset.Addresses[j], ports, true)
			room--
		}
		for j := range subset.NotReadyAddresses[:min(room, len(subset.NotReadyAddresses))] {
			add(&subset.NotReadyAddresses[j], ports, false)
		}
	}
	return groups
}

// unmirror removes what was mirrored for a Service that has a selector by now.
func unmirror(view events.View, svc *corev1.Service) ([]events.Action, error) {
	p := packing{view: view, svc: svc, manager: managedByMirror, labels: map[string]string{}}
	return p.write(nil)
}

func mirroredEndpoint(address *corev1.EndpointAddress, ready bool) discoveryv1.Endpoint {
	endpoint := discoveryv1.Endpoint{
		Addresses:  []string{address.IP},
		Conditions: discoveryv1.EndpointConditions{Ready: &ready},
		NodeName:   address.NodeName,
		TargetRef:  address.TargetRef,
	}
	if address.Hostname != "" {
		endpoint.Hostname = &address.Hostname
	}
	return endpoint
}

func mirroredPorts(ports []corev1.EndpointPort) []discoveryv1.EndpointPort {
	var out []discoveryv1.EndpointPort
	for i := range ports[:min(len(ports), kinds.MostServedPorts)] {
		p := &ports[i]
		out = append(out, discoveryv1.EndpointPort{
			Name: &p.Name, Protocol: &p.Protocol, Port: &p.Port, AppProtocol: p.AppProtocol,
		})
	}
	return out
}
