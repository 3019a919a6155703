package bus

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"segno/events"
	"segno/events/report"
	"segno/proto"
)

var (
	podResource  = proto.Resource{Name: "pods"}
	nodeResource = proto.Resource{Name: "nodes"}
)

// itemsAtOnce bounds the items of one report that are under way.
const itemsAtOnce = 64

// report makes a report's items durable and answers each. One that cannot be
// read is refused: sent again it would be no better.
func (in *Intake) report(ctx context.Context, node proto.NodeName, data []byte) proto.Reply {
	began := time.Now()
	refused := func(key proto.ObjectKey, err error) {
		in.cfg.Audit.refused(refusal{who: proto.NodeActor(node), verb: "report", subject: proto.NodeReport(node), key: key, err: err, began: began})
	}
	var said proto.Report
	if err := proto.Unpack(data, &said); err != nil {
		refused(proto.ObjectKey{}, apierrors.NewBadRequest(err.Error()))
		return proto.Reply{Errors: []string{brief(err)}}
	}
	notes := in.notes(node, &said, time.Now()) // before items end the pods that they are about
	failures := make([]error, len(said.Items))
	var group errgroup.Group
	group.SetLimit(itemsAtOnce)
	for i := range said.Items {
		group.Go(func() error {
			failures[i] = in.item(ctx, node, &said.Items[i])
			return nil // the others go on
		})
	}
	_ = group.Wait() // no function of the group fails
	reply := in.judge(node, said.Items, failures)
	for i, text := range reply.Errors {
		if text != "" {
			refused(said.Items[i].Key, failures[i])
		}
	}
	if reply.Retry == "" {
		in.tellNotes(ctx, node, notes)
	}
	return reply
}

// item takes one status. What is about an object that is gone is moot, and
// so done.
func (in *Intake) item(ctx context.Context, node proto.NodeName, item *proto.ReportItem) (err error) {
	defer recovered(&err)
	cmd := events.Command{
		Actor:   proto.NodeActor(node),
		Cause:   proto.Cause{Seq: item.Cause},
		Via:     "node agent",
		Manager: "segno-agent",
		Reason:  report.Reason(item.Reason),
	}
	switch {
	case item.Key == nodeResource.Key("", string(node)):
		return in.nodeStatus(ctx, item, cmd)
	case item.Key.Resource == podResource:
		return in.podStatus(ctx, node, item, cmd)
	default:
		return report.NotIts(node, item.Key)
	}
}

func malformed(item *proto.ReportItem, err error) error {
	return apierrors.NewBadRequest(fmt.Sprintf("status of %s: %v", item.Key, err))
}

// told reads an object that a node sends.
func told[T interface{ Unmarshal(data []byte) error }](data []byte, object T) (T, error) {
	if len(data) > proto.MaxObject {
		return object, fmt.Errorf("it has %d bytes, at most %d are allowed", len(data), proto.MaxObject)
	}
	return object, events.Unmarshal(data, object)
}

// podStatus takes what a node reports of a pod.
func (in *Intake) podStatus(ctx context.Context, node proto.NodeName, item *proto.ReportItem, cmd events.Command) error {
	have, found, err := events.GetAs[*corev1.Pod](in.cfg.Cluster.View(), item.Key)
	if err != nil {
		return fmt.Errorf("read %s: %w", item.Key, err)
	}
	if !found || string(have.UID) != item.UID {
		return nil
	}
	if have.Spec.NodeName != string(node) {
		return report.NotIts(node, item.Key)
	}
	if item.Ended && have.DeletionTimestamp == nil {
		return apierrors.NewBadRequest(fmt.Sprintf("%s is not being deleted: it cannot end", item.Key))
	}
	is, err := told(item.Status, &corev1.Pod{})
	if err != nil {
		return malformed(item, err)
	}
	if cmd.Action = report.PodAction(have, is, item); cmd.Action == nil {
		return nil
	}
	if cmd.Cause.Seq, err = report.Cause(node, item, have, &is.Status, in.cfg.History); err != nil {
		return err
	}
	_, err = in.cfg.Cluster.Submit(ctx, cmd)
	if apierrors.IsNotFound(err) || apierrors.IsConflict(err) { // no version is given: it is the UID
		return nil
	}
	return err
}
