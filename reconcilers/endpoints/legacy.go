package endpoints

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"segno/events"
	"segno/reconcilers"
)

const (
	// managedByLabel marks Endpoints that are written here.
	managedByLabel = "endpoints.kubernetes.io/managed-by"
	managedByValue = "endpoint-controller"
	// longestEndpoints is how many addresses one Endpoints object takes; more of
	// them are left out, and an annotation says so.
	longestEndpoints = 1000
)

// writeEndpoints brings the Endpoints of a Service up to date.
func writeEndpoints(view events.View, svc *corev1.Service, backends []backend) ([]events.Action, error) {
	key := reconcilers.Endpoints.Key(svc.Namespace, svc.Name)
	found, exists, err := events.GetAs[*corev1.Endpoints](view, key)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", key, err)
	}
	want := &corev1.Endpoints{ObjectMeta: metav1.ObjectMeta{Namespace: svc.Namespace, Name: svc.Name}}
	if exists {
		want = events.Copy(found)
	}
	want.Labels = serviceLabels(svc)
	want.Labels[managedByLabel] = managedByValue
	all := len(backends)
	backends = shortened(svc, backends)
	delete(want.Annotations, corev1.EndpointsOverCapacity)
	if len(backends) < all && len(backends) == longestEndpoints {
		metav1.SetMetaDataAnnotation(&want.ObjectMeta, corev1.EndpointsOverCapacity, "truncated")
	}
	want.Subsets = subsets(svc, backends)
	switch {
	case !exists:
		return []events.Action{events.Create{
			Key: key, Object: want, UID: reconcilers.UID("endpoints", svc.UID, view.Seq()),
		}}, nil
	case equality.Semantic.DeepEqual(found, want):
		return nil, nil
	default:
		return []events.Action{events.Update{Key: key, Object: want}}, nil
	}
}

// shortened leaves out the backends that are going, unless the Service wants
// them, and those beyond what fits: ready ones stay first.
func shortened(svc *corev1.Service, backends []backend) []backend {
	kept := slices.DeleteFunc(slices.Clone(backends), func(b backend) bool {
		return b.pod.DeletionTimestamp != nil && !svc.Spec.PublishNotReadyAddresses
	})
	if len(kept) <= longestEndpoints {
		return kept
	}
	slices.SortStableFunc(kept, func(a, b backend) int {
		switch {
		case a.ready == b.ready:
			return 0
		case a.ready:
			return -1
		default:
			return 1
		}
	})
	return kept[:longestEndpoints]
}

// subsets groups addresses by the ports that they have.
func subsets(svc *corev1.Service, backends []backend) []corev1.EndpointSubset {
	byPorts := map[string]*corev1.EndpointSubset{}
	for i := range backends {
		b := &backends[i]
		ip := b.address(families(svc)[0])
		if ip == "" || (len(b.ports) == 0 && len(svc.Spec.Ports) > 0) {
			continue
		}
		id := portsID(b.ports)
		subset := byPorts[id]
		if subset == nil {
			subset = &corev1.EndpointSubset{Ports: legacyPorts(b.ports)}
			byPorts[id] = subset
		}
		address := corev1.EndpointAddress{IP: ip, Hostname: b.hostname, NodeName: b.node(), TargetRef: b.reference()}
		if b.ready {
			subset.Addresses = append(subset.Addresses, address)
		} else {
			subset.NotReadyAddresses = append(subset.NotReadyAddresses, address)
		}
	}
	var out []corev1.EndpointSubset
	for _, id := range slices.Sorted(maps.Keys(byPorts)) {
		subset := byPorts[id]
		slices.SortFunc(subset.Addresses, compareAddresses)
		slices.SortFunc(subset.NotReadyAddresses, compareAddresses)
		out = append(out, *subset)
	}
	return out
}

func compareAddresses(a, b corev1.EndpointAddress) int { return strings.Compare(a.IP, b.IP) }

func legacyPorts(ports []discoveryv1.EndpointPort) []corev1.EndpointPort {
	var out []corev1.EndpointPort
	for _, p := range ports {
		out = append(out, corev1.EndpointPort{
			Name: *p.Name, Port: *p.Port, Protocol: *p.Protocol, AppProtocol: p.AppProtocol,
		})
	}
	return out
}

// serviceLabels are those that what is written for a Service inherits.
func serviceLabels(svc *corev1.Service) map[string]string {
	inherited := maps.Clone(svc.Labels)
	if inherited == nil {
		inherited = map[string]string{}
	}
	delete(inherited, corev1.IsHeadlessService)
	if svc.Spec.ClusterIP == corev1.ClusterIPNone {
		inherited[corev1.IsHeadlessService] = ""
	}
	return inherited
}
