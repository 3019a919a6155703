package events

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"segno/proto"
)

var nodes = proto.Resource{Name: "nodes"}

// bind puts a pod on a node: its spec names the node and its status says that
// it is scheduled, in one transaction.
func (d *decider) bind(b Bind) (Decision, error) {
	kind, before, err := d.need(b.Key)
	if err != nil {
		return Decision{}, err
	}
	pod, ok := before.(*corev1.Pod)
	if !ok {
		return Decision{}, apierrors.NewBadRequest(fmt.Sprintf("%s cannot be bound to a node", kind.Resource))
	}
	if err := bindable(kind, pod, b); err != nil {
		return Decision{}, err
	}
	if of := d.table.Of(nodes); of != nil {
		node, err := d.view.Get(nodes.Key("", string(b.Node)))
		if err != nil {
			return Decision{}, fmt.Errorf("read node %s: %w", b.Node, err)
		}
		if node == nil {
			return Decision{}, notFound(of, string(b.Node))
		}
	}
	after := Copy(pod)
	after.Spec.NodeName = string(b.Node)
	setScheduled(after, d.now())
	return d.conclude(VerbBind, change{kind: kind, key: b.Key, before: before, after: after})
}

func bindable(kind *Kind, pod *corev1.Pod, b Bind) error {
	switch {
	case b.Node == "":
		return apierrors.NewBadRequest("a binding names a node")
	case b.UID != "" && b.UID != pod.UID:
		return wrongUID(kind, pod.Name, b.UID, pod.UID)
	case b.Version != 0 && b.Version.String() != pod.ResourceVersion:
		return conflict(kind, pod.Name, modified)
	case pod.DeletionTimestamp != nil:
		return conflict(kind, pod.Name, fmt.Sprintf("pod %s is being deleted, cannot be assigned to a host", pod.Name))
	case pod.Spec.NodeName != "":
		return conflict(kind, pod.Name, fmt.Sprintf("pod %s is already assigned to node %q", pod.Name, pod.Spec.NodeName))
	case len(pod.Spec.SchedulingGates) > 0:
		return conflict(kind, pod.Name, fmt.Sprintf("pod %s has non-empty .spec.schedulingGates", pod.Name))
	}
	return nil
}

func setScheduled(pod *corev1.Pod, now metav1.Time) {
	scheduled := corev1.PodCondition{Type: corev1.PodScheduled, Status: corev1.ConditionTrue, LastTransitionTime: now}
	for i, c := range pod.Status.Conditions {
		if c.Type == corev1.PodScheduled {
			pod.Status.Conditions[i] = scheduled
			return
		}
	}
	pod.Status.Conditions = append(pod.Status.Conditions, scheduled)
}
