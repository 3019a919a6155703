package bus

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"segno/events"
	"segno/proto"
)

var (
	podResource  = proto.Resource{Name: "pods"}
	nodeResource = proto.Resource{Name: "nodes"}
)

// itemsAtOnce bounds the items of one report that are under way.
const itemsAtOnce = 64

// report makes a report's items durable and answers each.
func (in *Intake) report(ctx context.Context, node proto.NodeName, data []byte) proto.Reply {
	var report proto.Report
	if err := proto.Unpack(data, &report); err != nil {
		return proto.Reply{Retry: err.Error()}
	}
	notes := in.notes(node, &report, time.Now()) // before items end the pods that they are about
	reply := proto.Reply{Errors: make([]string, len(report.Items))}
	var group errgroup.Group
	group.SetLimit(itemsAtOnce)
	for i := range report.Items {
		group.Go(func() error {
			err := in.item(ctx, node, &report.Items[i])
			if err != nil && passing(err) {
				return err
			}
			if err != nil {
				reply.Errors[i] = err.Error()
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return proto.Reply{Retry: err.Error()} // repeating the others is harmless
	}
	in.tellNotes(ctx, node, notes)
	return reply
}

// item takes one status. What is about an object that is gone is moot, and
// so done.
func (in *Intake) item(ctx context.Context, node proto.NodeName, item *proto.ReportItem) error {
	cmd := events.Command{
		Actor:   nodeActor(node),
		Cause:   proto.Cause{Seq: item.Cause},
		Via:     "node agent",
		Manager: "segno-agent",
		Reason:  item.Reason,
	}
	var err error
	switch {
	case item.Key == nodeResource.Key("", string(node)):
		return in.nodeStatus(ctx, item, cmd)
	case item.Key.Resource == podResource:
		cmd.Action, err = in.podStatus(node, item)
	default:
		err = notIts(node, item.Key)
	}
	if err != nil || cmd.Action == nil {
		return err
	}
	if cmd.Cause.Seq, err = in.cause(node, item); err != nil {
		return err
	}
	_, err = in.cfg.Cluster.Submit(ctx, cmd)
	if apierrors.IsNotFound(err) || apierrors.IsConflict(err) { // no version is given: it is the UID
		return nil
	}
	return err
}

func notIts(node proto.NodeName, key proto.ObjectKey) error {
	return apierrors.NewForbidden(schema.GroupResource{Group: key.Group, Resource: key.Resource.Name}, key.Name, fmt.Errorf("node %s may only speak of itself and of its own pods", node))
}

func malformed(item *proto.ReportItem, err error) error {
	return apierrors.NewBadRequest(fmt.Sprintf("status of %s: %v", item.Key, err))
}

// podStatus answers what the item asks for, nil when it is moot.
func (in *Intake) podStatus(node proto.NodeName, item *proto.ReportItem) (events.Action, error) {
	have, found, err := events.GetAs[*corev1.Pod](in.cfg.Cluster.View(), item.Key)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", item.Key, err)
	}
	if !found || string(have.UID) != item.UID {
		return nil, nil
	}
	if have.Spec.NodeName != string(node) {
		return nil, notIts(node, item.Key)
	}
	if item.Ended && have.DeletionTimestamp == nil {
		return nil, apierrors.NewBadRequest(fmt.Sprintf("%s is not being deleted: it cannot end", item.Key))
	}
	var status events.Action
	if len(item.Status) > 0 {
		pod := &corev1.Pod{}
		if err := pod.Unmarshal(item.Status); err != nil {
			return nil, malformed(item, err)
		}
		pod.ObjectMeta = metav1.ObjectMeta{Name: item.Key.Name, Namespace: item.Key.Namespace, UID: have.UID}
		status = events.Update{Key: item.Key, Subresource: events.SubStatus, Object: pod}
	}
	if !item.Ended {
		return status, nil
	}
	end := events.Delete{Key: item.Key, Options: metav1.DeleteOptions{
		GracePeriodSeconds: new(int64),
		Preconditions:      &metav1.Preconditions{UID: &have.UID},
	}}
	if status == nil {
		return end, nil
	}
	return events.Batch{status, end}, nil
}
