package bus

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"segno/events"
	"segno/proto"
)

var (
	namespaceResource = proto.Resource{Name: "namespaces"}
	policyResource    = proto.Resource{Group: networkingv1.GroupName, Name: "networkpolicies"}
)

// policed says whether nodes know pods and namespaces: from the first
// NetworkPolicy on, for as long as this relay runs. A cluster without policies
// tells no node of other nodes' pods.
func (r *Relay) policed() bool {
	r.shared.mu.Lock()
	defer r.shared.mu.Unlock()
	return r.shared.policed
}

// lookForPolicies is called before anything is relayed.
func (r *Relay) lookForPolicies(view events.View) error {
	policies, err := events.ListAs[*networkingv1.NetworkPolicy](view, events.Query{Resource: policyResource})
	if err != nil {
		return fmt.Errorf("list the NetworkPolicies: %w", err)
	}
	r.shared.mu.Lock()
	defer r.shared.mu.Unlock()
	r.shared.policed = len(policies) > 0
	return nil
}

// police tells all nodes of all pods and namespaces before the first policy. It
// is called with the lock held. What is told may be newer than the policy; the
// changes between are told again.
func (r *Relay) police(policy proto.WantPod) error {
	if r.shared.policed || policy.Gone {
		return nil
	}
	view := r.cfg.Events.View()
	s := syncing{send: func(part proto.Want) error {
		for i := range part.Pods {
			// As of now: an earlier sync of a node had none of them.
			part.Pods[i].Seq = view.Seq()
		}
		r.shared.counter++
		return r.publishShared(part.Pods...)
	}}
	if err := s.identities(view); err != nil {
		return err
	}
	if len(s.want.Pods) > 0 {
		if err := s.send(s.want); err != nil {
			return fmt.Errorf("tell all nodes of the pods that policies speak of: %w", err)
		}
	}
	r.shared.policed = true
	return nil
}

// policies ends a full sync with the policies, and whom they speak of.
func (s *syncing) policies(view events.View, policed bool) error {
	policies, err := events.ListAs[*networkingv1.NetworkPolicy](view, events.Query{Resource: policyResource})
	if err != nil {
		return fmt.Errorf("list the NetworkPolicies: %w", err)
	}
	for _, policy := range policies {
		if err := s.add(policyResource, policy); err != nil {
			return err
		}
	}
	if policed || len(policies) > 0 {
		if err := s.identities(view); err != nil {
			return err
		}
	}
	return s.send(s.want)
}

// identities adds all pods and namespaces, as policies see them.
func (s *syncing) identities(view events.View) error {
	namespaces, err := events.ListAs[*corev1.Namespace](view, events.Query{Resource: namespaceResource})
	if err != nil {
		return fmt.Errorf("list the namespaces: %w", err)
	}
	for _, namespace := range namespaces {
		short := labelsOf(namespace)
		short.ResourceVersion = namespace.ResourceVersion
		if err := s.add(namespaceResource, short); err != nil {
			return err
		}
	}
	pods, err := events.ListAs[*corev1.Pod](view, events.Query{Resource: podResource})
	if err != nil {
		return fmt.Errorf("list the pods: %w", err)
	}
	for _, pod := range pods {
		short := identityOf(pod)
		if short == nil {
			continue
		}
		short.ResourceVersion = pod.ResourceVersion
		if err := s.add(podResource, short); err != nil {
			return err
		}
	}
	return nil
}

// shortened makes a word of what others need to know of an object; when that did
// not change there is nothing to say.
func shortened[T interface {
	comparable
	events.Object
	Marshal() ([]byte, error)
}](r *Relay, want proto.WantPod, c events.Change, short func(T) T) (proto.WantPod, bool, error) {
	var none T
	before, err := shortOf(r, c.Before, short)
	if err != nil {
		return want, false, err
	}
	after, err := shortOf(r, c.After, short)
	if err != nil || equality.Semantic.DeepEqual(before, after) {
		return want, false, err
	}
	if after == none {
		want.Gone, want.Body = true, nil
		return want, true, nil
	}
	if want.Body, err = after.Marshal(); err != nil {
		return want, false, fmt.Errorf("encode %s: %w", want.Key, err)
	}
	return want, true, nil
}

func shortOf[T events.Object](r *Relay, record *events.Record, short func(T) T) (none T, err error) {
	if record == nil || record.Deleted {
		return none, nil
	}
	object, err := r.cfg.Table.Decode(record)
	if err != nil {
		return none, err
	}
	is, ok := object.(T)
	if !ok {
		return none, fmt.Errorf("%s is a %T", record.Key, object)
	}
	return short(is), nil
}

// labelsOf is what policies need to know of a namespace.
func labelsOf(namespace *corev1.Namespace) *corev1.Namespace {
	return &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace.Name, UID: namespace.UID, Labels: namespace.Labels}}
}

// identityOf is what policies need to know of a pod: who it is, its addresses and
// named ports. A pod that has no address of its own, or has ended, is nobody.
func identityOf(pod *corev1.Pod) *corev1.Pod {
	ended := pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed
	if ended || pod.Spec.HostNetwork || len(pod.Status.PodIPs) == 0 {
		return nil
	}
	out := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: pod.Name, Namespace: pod.Namespace, UID: pod.UID, Labels: pod.Labels},
		Spec:       corev1.PodSpec{NodeName: pod.Spec.NodeName},
		Status:     corev1.PodStatus{PodIPs: pod.Status.PodIPs},
	}
	for _, containers := range [][]corev1.Container{pod.Spec.InitContainers, pod.Spec.Containers} {
		for i := range containers {
			for _, port := range containers[i].Ports {
				if port.Name == "" {
					continue
				}
				named := corev1.ContainerPort{Name: port.Name, ContainerPort: port.ContainerPort, Protocol: port.Protocol}
				out.Spec.Containers = append(out.Spec.Containers, corev1.Container{Ports: []corev1.ContainerPort{named}})
			}
		}
	}
	return out
}
