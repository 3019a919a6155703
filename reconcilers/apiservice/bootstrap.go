// Package apiservice makes the Service by which pods find the cluster's API.
//
// What comes in: the state at a start, and where the API is reached from nodes.
// What goes out: what makes the Service, if it is missing, and its Endpoints what
// they have to be.
//
// What never happens here: an address that leads to another machine's API than the
// one that starts. An API that listens for its own machine only has no Endpoints.
//
// All of it is in this file.
package apiservice

import (
	"fmt"
	"net/netip"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"segno/events"
	"segno/events/kinds"
	"segno/reconcilers"
)

// portName is that of the Service's only port.
const portName = "https"

// Bootstrap answers what is lacking of the API's Service at its place, and of its
// Endpoints, which lead to where the API is; an invalid address leads nowhere.
// Nothing is done when another Service has the place of old, or somebody has made
// one of the name for something else.
func Bootstrap(view events.View, place netip.Addr, at netip.AddrPort) (events.Batch, error) {
	key := reconcilers.Services.Key(kinds.APIService.Namespace, kinds.APIService.Name)
	all, err := events.ListAs[*corev1.Service](view, events.Query{Resource: reconcilers.Services})
	if err != nil {
		return nil, fmt.Errorf("look for %s: %w", key, err)
	}
	there := false
	for _, service := range all {
		named, placed := service.Namespace == key.Namespace && service.Name == key.Name, slices.Contains(service.Spec.ClusterIPs, place.String())
		if named != placed {
			return nil, nil
		}
		there = there || named
	}
	var out events.Batch
	if !there {
		out = append(out, events.Create{Key: key, Object: service(place, at), UID: reconcilers.UID("service", key.String(), view.Seq())})
	}
	endpoints, err := lead(view, at)
	return append(out, endpoints...), err
}

func service(place netip.Addr, at netip.AddrPort) *corev1.Service {
	port := corev1.ServicePort{Name: portName, Protocol: corev1.ProtocolTCP, Port: 443, TargetPort: intstr.FromInt32(int32(at.Port()))}
	if !at.IsValid() {
		port.TargetPort = intstr.FromInt32(6443)
	}
	return &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: kinds.APIService.Namespace, Name: kinds.APIService.Name,
			Labels: map[string]string{"component": "apiserver", "provider": "kubernetes"},
		},
		Spec: corev1.ServiceSpec{ClusterIP: place.String(), Ports: []corev1.ServicePort{port}},
	}
}

// lead brings the Endpoints in line.
func lead(view events.View, at netip.AddrPort) (events.Batch, error) {
	key := reconcilers.Endpoints.Key(kinds.APIService.Namespace, kinds.APIService.Name)
	have, found, err := events.GetAs[*corev1.Endpoints](view, key)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", key, err)
	}
	if !at.IsValid() {
		if found {
			return events.Batch{events.Delete{Key: key}}, nil
		}
		return nil, nil
	}
	subsets := []corev1.EndpointSubset{{
		Addresses: []corev1.EndpointAddress{{IP: at.Addr().Unmap().String()}},
		Ports:     []corev1.EndpointPort{{Name: portName, Port: int32(at.Port()), Protocol: corev1.ProtocolTCP}},
	}}
	switch {
	case !found:
		made := &corev1.Endpoints{ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: key.Name}, Subsets: subsets}
		return events.Batch{events.Create{Key: key, Object: made, UID: reconcilers.UID("endpoints", key.String(), view.Seq())}}, nil
	case equality.Semantic.DeepEqual(have.Subsets, subsets):
		return nil, nil
	}
	is := events.Copy(have)
	is.Subsets = subsets
	return events.Batch{events.Update{Key: key, Object: is}}, nil
}
