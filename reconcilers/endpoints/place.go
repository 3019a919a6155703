package endpoints

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"

	"segno/events"
	"segno/proto"
	"segno/reconcilers"
)

// zones are those of nodes, each looked up once.
type zones struct {
	view events.View
	of   map[string]string
}

func (z *zones) find(node string) (string, error) {
	if zone, known := z.of[node]; known || node == "" {
		return zone, nil
	}
	found, _, err := events.GetAs[*corev1.Node](z.view, reconcilers.Nodes.Key("", node))
	if err != nil {
		return "", fmt.Errorf("look for the zone of node %s: %w", node, err)
	}
	if found != nil {
		z.of[node] = found.Labels[corev1.LabelTopologyZone]
	}
	return z.of[node], nil
}

// hints say for whom an endpoint is near, if the Service prefers that. A node's
// proxy heeds them if all ready endpoints have some.
func (b *backend) hints(svc *corev1.Service) *discoveryv1.EndpointHints {
	if svc.Spec.TrafficDistribution == nil || !b.ready || b.zone == "" && b.pod.Spec.NodeName == "" {
		return nil
	}
	var hints discoveryv1.EndpointHints
	switch *svc.Spec.TrafficDistribution {
	case corev1.ServiceTrafficDistributionPreferSameNode:
		if b.pod.Spec.NodeName != "" {
			hints.ForNodes = []discoveryv1.ForNode{{Name: b.pod.Spec.NodeName}}
		}
	case corev1.ServiceTrafficDistributionPreferClose, corev1.ServiceTrafficDistributionPreferSameZone:
	default:
		return nil
	}
	if b.zone != "" {
		hints.ForZones = []discoveryv1.ForZone{{Name: b.zone}}
	}
	if len(hints.ForNodes)+len(hints.ForZones) == 0 {
		return nil
	}
	return &hints
}

// keysOfNode leads from a node that moved to another zone to the Services of its
// pods.
func keysOfNode(view events.View, change *reconcilers.Change) ([]reconcilers.Key, error) {
	before, after := reconcilers.Both[*corev1.Node](change)
	if before == nil || after == nil || before.Labels[corev1.LabelTopologyZone] == after.Labels[corev1.LabelTopologyZone] {
		return nil, nil // pods come to a new node after it
	}
	pods, err := events.ListAs[*corev1.Pod](view, events.Query{Resource: reconcilers.Pods, Node: proto.NodeName(after.Name)})
	if err != nil {
		return nil, fmt.Errorf("list pods of node %s: %w", after.Name, err)
	}
	services := map[string][]*corev1.Service{}
	var keys []reconcilers.Key
	for _, pod := range pods {
		of, listed := services[pod.Namespace]
		if !listed {
			if of, err = events.ListAs[*corev1.Service](view, events.Query{Resource: reconcilers.Services, Namespace: pod.Namespace}); err != nil {
				return nil, fmt.Errorf("list services of %s: %w", pod.Namespace, err)
			}
			services[pod.Namespace] = of
		}
		for _, svc := range of {
			if key := reconcilers.Services.Key(svc.Namespace, svc.Name); selects(svc, pod) && !slices.Contains(keys, key) {
				keys = append(keys, key)
			}
		}
	}
	return keys, nil
}
