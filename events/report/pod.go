package report

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"segno/events"
	"segno/proto"
)

var (
	nodeResource = proto.Resource{Name: "nodes"}
	podResource  = proto.Resource{Name: "pods"}
)

// NotIts refuses a node that speaks of what is not its own.
func NotIts(node proto.NodeName, key proto.ObjectKey) error {
	return apierrors.NewForbidden(schema.GroupResource{Group: key.Group, Resource: key.Resource.Name}, key.Name, fmt.Errorf("node %s may only speak of itself and of its own pods", node))
}

// PodAction is what an item asks for, nil when that is nothing.
func PodAction(have, is *corev1.Pod, item *proto.ReportItem) events.Action {
	var status events.Action
	if len(item.Status) > 0 {
		is.ObjectMeta = metav1.ObjectMeta{Name: item.Key.Name, Namespace: item.Key.Namespace, UID: have.UID}
		status = events.Update{Key: item.Key, Subresource: events.SubStatus, Object: is}
	}
	if !item.Ended {
		return status
	}
	end := events.Delete{Key: item.Key, Options: metav1.DeleteOptions{
		GracePeriodSeconds: new(int64),
		Preconditions:      &metav1.Preconditions{UID: &have.UID},
	}}
	if status == nil {
		return end
	}
	return events.Batch{status, end}
}
