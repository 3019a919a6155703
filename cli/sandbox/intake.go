package sandbox

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"segno/events"
	"segno/events/report"
	"segno/proto"
	"segno/reconcilers"
)

// hear makes commands of what a node says.
func (s *Sandbox) hear(ctx context.Context, node proto.NodeName, said proto.Report) error {
	notes, refused := report.Notes(s.View(), node, &said, s.clock.Now()) // before items end the pods that they are about
	if refused != nil {
		s.log.Warn("notes of a simulated node are not written", "node", node, "error", refused)
	}
	for i := range said.Items {
		if err := s.podStatus(ctx, node, &said.Items[i]); err != nil {
			return err
		}
	}
	return s.note(ctx, node, notes)
}

// podStatus takes what a node reports of a pod.
func (s *Sandbox) podStatus(ctx context.Context, node proto.NodeName, item *proto.ReportItem) error {
	have, found, err := events.GetAs[*corev1.Pod](s.View(), item.Key)
	if err != nil {
		return fmt.Errorf("read %s: %w", item.Key, err)
	}
	if !found || string(have.UID) != item.UID || item.Ended && have.DeletionTimestamp == nil {
		return nil
	}
	is := &corev1.Pod{}
	if err := events.Unmarshal(item.Status, is); err != nil {
		return fmt.Errorf("read the status of %s: %w", item.Key, err)
	}
	action := report.PodAction(have, is, item)
	if action == nil {
		return nil
	}
	cause, err := report.Cause(node, item, have, &is.Status, s.truth().Latest)
	if err != nil {
		return err
	}
	_, err = s.Submit(ctx, events.Command{
		Actor: proto.NodeActor(node), Cause: proto.Cause{Seq: cause}, Via: "node agent", Manager: "segno-agent",
		Reason: report.Reason(item.Reason), Action: action,
	})
	switch {
	case err == nil || moot(err):
		return nil
	case apierrors.ReasonForError(err) != "": // a refusal, as a real agent would log it
		s.log.Warn("a status is refused", "object", item.Key, "error", err)
		return nil
	default:
		return fmt.Errorf("take the status of %s: %w", item.Key, err)
	}
}

// note writes what a node says about its own, for people.
func (s *Sandbox) note(ctx context.Context, node proto.NodeName, said []report.Note) error {
	if len(said) == 0 {
		return nil
	}
	actions, err := reconcilers.Tell(s.View(), reconcilers.NodeNotes(string(node), said), s.clock.Now())
	if err != nil || len(actions) == 0 {
		return err
	}
	_, err = s.Submit(ctx, events.Command{
		Actor: proto.NodeActor(node), Via: "node agent", Manager: "segno-agent", Action: events.Batch(actions),
	})
	if err != nil && apierrors.ReasonForError(err) == "" {
		return fmt.Errorf("write the notes of node %s: %w", node, err)
	}
	return nil
}
