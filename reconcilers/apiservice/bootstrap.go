// Package apiservice makes the Service by which pods find the cluster's API.
//
// What comes in: the state, and at a start where the API is reached from nodes;
// later that comes out of the log (reconcilers/standing asks). What goes out: what
// makes the Service, if it is missing, and its Endpoints what they have to be.
//
// What never happens here: an address that leads to another machine's API than the
// one that starts. An API that listens for its own machine only has no Endpoints.
//
// All of it is in this file.
package apiservice

import (
	"fmt"
	"net/netip"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"segno/events"
	"segno/events/kinds"
	"segno/reconcilers"
	"segno/reconcilers/internal/holder"
)

// portName is that of the Service's only port.
const portName = "https"

// AddressAnnotation of the Service says where the API is, as Bootstrap was told: it
// and the Endpoints are made again by one another.
const AddressAnnotation = "segno/api-address"

// Bootstrap answers what is lacking of the API's Service at its place, and of its
// Endpoints, which lead to where the API is; an invalid address leads nowhere.
// Nothing is done when another Service has the place of old, or somebody has made
// one of the name for something else.
func Bootstrap(view events.View, place netip.Addr, at netip.AddrPort) (events.Batch, error) {
	own, rival, err := holder.Find(view, kinds.APIService, place)
	if err != nil || rival != nil {
		return nil, err
	}
	var out events.Batch
	switch {
	case own == nil:
		out = append(out, creation(view, place, at))
	case own.Annotations[AddressAnnotation] != text(at):
		is := events.Copy(own)
		write(is, at)
		out = append(out, events.Update{Key: serviceKey, Object: is})
	}
	endpoints, err := lead(view, at)
	return append(out, endpoints...), err
}

// Restore answers what is lacking of them in a cluster that runs. Where the API is
// the Service says, or when that is gone its Endpoints; without both only the next
// start knows.
func Restore(view events.View, place netip.Addr) (events.Batch, error) {
	own, rival, err := holder.Find(view, kinds.APIService, place)
	if err != nil || rival != nil {
		return nil, err
	}
	if own == nil {
		at, err := led(view)
		if err != nil {
			return nil, err
		}
		return events.Batch{creation(view, place, at)}, nil
	}
	at, err := netip.ParseAddrPort(own.Annotations[AddressAnnotation])
	if err != nil {
		return nil, nil //nolint:nilerr // it leads nowhere, or nobody has written where
	}
	return lead(view, at)
}

var (
	serviceKey   = reconcilers.Services.Key(kinds.APIService.Namespace, kinds.APIService.Name)
	endpointsKey = reconcilers.Endpoints.Key(kinds.APIService.Namespace, kinds.APIService.Name)
)

func creation(view events.View, place netip.Addr, at netip.AddrPort) events.Action {
	return events.Create{Key: serviceKey, Object: service(place, at), UID: reconcilers.UID("service", serviceKey.String(), view.Seq())}
}

func text(at netip.AddrPort) string {
	if !at.IsValid() {
		return ""
	}
	return at.String()
}

// write notes where the API is.
func write(service *corev1.Service, at netip.AddrPort) {
	if !at.IsValid() {
		delete(service.Annotations, AddressAnnotation)
		return
	}
	metav1.SetMetaDataAnnotation(&service.ObjectMeta, AddressAnnotation, at.String())
}

func service(place netip.Addr, at netip.AddrPort) *corev1.Service {
	port := corev1.ServicePort{Name: portName, Protocol: corev1.ProtocolTCP, Port: 443, TargetPort: intstr.FromInt32(int32(at.Port()))}
	if !at.IsValid() {
		port.TargetPort = intstr.FromInt32(6443)
	}
	made := &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: kinds.APIService.Namespace, Name: kinds.APIService.Name,
			Labels: map[string]string{"component": "apiserver", "provider": "kubernetes"},
		},
		Spec: corev1.ServiceSpec{ClusterIP: place.String(), Ports: []corev1.ServicePort{port}},
	}
	write(made, at)
	return made
}

// led is where the Endpoints lead to; invalid is nowhere.
func led(view events.View) (at netip.AddrPort, err error) {
	have, found, err := events.GetAs[*corev1.Endpoints](view, endpointsKey)
	if err != nil {
		return at, fmt.Errorf("read %s: %w", endpointsKey, err)
	}
	if !found || len(have.Subsets) == 0 || len(have.Subsets[0].Addresses) == 0 || len(have.Subsets[0].Ports) == 0 {
		return at, nil
	}
	address, err := netip.ParseAddr(have.Subsets[0].Addresses[0].IP)
	if err != nil {
		return at, nil //nolint:nilerr // somebody wrote nonsense, which is as good as nothing
	}
	return netip.AddrPortFrom(address, uint16(have.Subsets[0].Ports[0].Port)), nil
}

// lead brings the Endpoints in line.
func lead(view events.View, at netip.AddrPort) (events.Batch, error) {
	key := endpointsKey
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
