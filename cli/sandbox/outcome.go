package sandbox

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"segno/cli/api/history"
	"segno/events"
	"segno/events/podstate"
	"segno/events/taint"
	"segno/proto"
	"segno/reconcilers"
)

// state is what a cluster is like at a moment, as far as a person asks first.
type state struct {
	workloads map[proto.ObjectKey]history.Ready
	nodes     map[string]history.NodeShare // only one half of each share
	pending   map[proto.ObjectKey]string   // why
	objects   map[proto.ObjectKey]types.UID
}

// stateOf reads a cluster. It is pure.
func stateOf(table *events.Table, view events.View) (state, error) {
	s := state{
		workloads: map[proto.ObjectKey]history.Ready{}, nodes: map[string]history.NodeShare{},
		pending: map[proto.ObjectKey]string{}, objects: map[proto.ObjectKey]types.UID{},
	}
	owners := map[types.UID]events.Object{}
	keys := map[types.UID]proto.ObjectKey{}
	var pods []*corev1.Pod
	for _, kind := range table.All() {
		if kind.Stream != proto.StreamEvents {
			continue
		}
		page, err := view.List(events.Query{Resource: kind.Resource})
		if err != nil {
			return s, fmt.Errorf("list %s: %w", kind.Resource, err)
		}
		for _, obj := range page.Items {
			key := kind.KeyOf(obj)
			s.objects[key] = obj.GetUID()
			switch o := obj.(type) {
			case *corev1.Pod:
				pods = append(pods, o)
				keys[o.UID] = key
			case *corev1.Node:
				s.nodes[o.Name] = history.NodeShare{Name: o.Name, ReadyAfter: string(taint.Ready(o))}
			case *appsv1.Deployment, *appsv1.ReplicaSet:
				owners[o.GetUID()], keys[o.GetUID()] = obj, key
			}
		}
	}
	for uid, owner := range owners {
		if top(owner, owners) == owner {
			s.workloads[keys[uid]] = history.Ready{Wanted: replicas(owner)}
		}
	}
	for _, pod := range pods {
		s.pod(pod, keys[top(pod, owners).GetUID()])
	}
	return s, nil
}

// pod counts one pod for its workload and its node.
func (s *state) pod(pod *corev1.Pod, workload proto.ObjectKey) {
	count := s.workloads[workload]
	if workload.Resource == reconcilers.Pods {
		count.Wanted = 1
	}
	if ready := podstate.Condition(pod, corev1.PodReady); ready != nil && ready.Status == corev1.ConditionTrue && pod.DeletionTimestamp == nil {
		count.Ready++
	}
	s.workloads[workload] = count
	switch {
	case podstate.Finished(pod):
	case pod.DeletionTimestamp != nil && pod.Spec.NodeName == "":
	case pod.Spec.NodeName == "":
		why := ""
		if c := podstate.Condition(pod, corev1.PodScheduled); c != nil {
			why = c.Message
		}
		s.pending[reconcilers.Pods.Key(pod.Namespace, pod.Name)] = why
	default:
		share := s.nodes[pod.Spec.NodeName]
		share.Name = pod.Spec.NodeName
		if podstate.Active(pod) {
			share.PodsAfter++
		} else {
			share.TerminatingAfter++
		}
		s.nodes[pod.Spec.NodeName] = share
	}
}

// top is what stands behind an object, as far as it is there.
func top(obj events.Object, owners map[types.UID]events.Object) events.Object {
	for range 10 { // owners in a ring are nobody's
		ref := metav1.GetControllerOf(obj)
		if ref == nil || owners[ref.UID] == nil {
			return obj
		}
		obj = owners[ref.UID]
	}
	return obj
}

func replicas(obj events.Object) int {
	var n *int32
	switch o := obj.(type) {
	case *appsv1.Deployment:
		n = o.Spec.Replicas
	case *appsv1.ReplicaSet:
		n = o.Spec.Replicas
	}
	if n == nil {
		return 1
	}
	return int(*n)
}

// compare tells what became of a cluster. It is pure.
func compare(before, after state, into *history.WhatIf) {
	into.Workloads, into.Nodes = []history.Workload{}, []history.NodeShare{}
	into.Pending, into.Objects = []history.Pending{}, []history.Tally{}
	for _, key := range union(before.workloads, after.workloads) {
		w := history.Workload{Object: proto.ObjectOf(key)}
		if was, ok := before.workloads[key]; ok {
			w.Before = &was
		}
		if is, ok := after.workloads[key]; ok {
			w.After = &is
		}
		into.Workloads = append(into.Workloads, w)
	}
	for _, name := range slices.Sorted(maps.Keys(joined(before.nodes, after.nodes))) {
		was, is := before.nodes[name], after.nodes[name]
		into.Nodes = append(into.Nodes, history.NodeShare{
			Name: name, PodsBefore: was.PodsAfter, PodsAfter: is.PodsAfter, TerminatingBefore: was.TerminatingAfter, TerminatingAfter: is.TerminatingAfter,
			ReadyBefore: was.ReadyAfter, ReadyAfter: is.ReadyAfter,
		})
	}
	for _, key := range union(after.pending, nil) {
		_, already := before.pending[key]
		into.Pending = append(into.Pending, history.Pending{Object: proto.ObjectOf(key), Why: after.pending[key], Before: already})
	}
	into.Objects = tallies(before.objects, after.objects)
}

func joined[K comparable, V any](a, b map[K]V) map[K]V {
	out := maps.Clone(a)
	maps.Copy(out, b)
	return out
}

// union lists the keys of both in their order.
func union[V any](a, b map[proto.ObjectKey]V) []proto.ObjectKey {
	return slices.SortedFunc(maps.Keys(joined(a, b)), func(a, b proto.ObjectKey) int {
		return cmp.Or(strings.Compare(a.Resource.String(), b.Resource.String()), events.CompareKeys(a, b))
	})
}

// tallies counts what was made and what ended; one that was made anew is both.
func tallies(before, after map[proto.ObjectKey]types.UID) []history.Tally {
	count := map[proto.Resource]history.Tally{}
	for _, key := range union(before, after) {
		was, is := before[key], after[key]
		if was == is {
			continue
		}
		t := count[key.Resource]
		t.Group, t.Resource = key.Group, key.Resource.Name
		if is != "" {
			t.Created++
		}
		if was != "" {
			t.Deleted++
		}
		count[key.Resource] = t
	}
	out := []history.Tally{}
	for _, resource := range slices.SortedFunc(maps.Keys(count), func(a, b proto.Resource) int { return strings.Compare(a.String(), b.String()) }) {
		out = append(out, count[resource])
	}
	return out
}
