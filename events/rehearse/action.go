package rehearse

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"segno/events"
	"segno/proto"
)

// actions are what has to be asked for so that an object becomes what it is.
func actions(t touched, was, is events.Object) []events.Action {
	switch {
	case is == nil && was == nil:
		return nil
	case is == nil:
		now := int64(0)
		return []events.Action{events.Delete{Key: t.Key, Options: metav1.DeleteOptions{GracePeriodSeconds: &now}}}
	case was == nil:
		return []events.Action{events.Create{Key: t.Key, Object: fresh(is), UID: is.GetUID()}}
	}
	if bind, ok := bound(t.Key, was, is); ok {
		return []events.Action{bind}
	}
	var out []events.Action
	switch {
	case t.spec && was.GetDeletionTimestamp() == nil && is.GetDeletionTimestamp() != nil:
		out = append(out, events.Delete{Key: t.Key, Options: metav1.DeleteOptions{GracePeriodSeconds: is.GetDeletionGracePeriodSeconds()}})
	case t.spec:
		out = append(out, events.Update{Key: t.Key, Object: fresh(is)})
	}
	if t.status {
		out = append(out, events.Update{Key: t.Key, Subresource: events.SubStatus, Object: fresh(is)})
	}
	return out
}

// fresh is an object as a client sends it: any version of it may be replaced.
func fresh(obj events.Object) events.Object {
	out := events.Copy(obj)
	out.SetResourceVersion("")
	return out
}

// bound tells whether a pod got its node.
func bound(key proto.ObjectKey, was, is events.Object) (events.Bind, bool) {
	before, ok := was.(*corev1.Pod)
	if !ok {
		return events.Bind{}, false
	}
	after, ok := is.(*corev1.Pod)
	if !ok || before.Spec.NodeName != "" || after.Spec.NodeName == "" {
		return events.Bind{}, false
	}
	return events.Bind{Key: key, UID: after.UID, Node: proto.NodeName(after.Spec.NodeName)}, true
}
