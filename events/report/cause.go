package report

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"segno/proto"
)

// chainLength is how far back a death is looked for: one is followed by a wait,
// a start and readiness.
const chainLength = 4

// Past answers the newest transactions about an object, newest first.
type Past func(key proto.ObjectKey, limit int) ([]*proto.Envelope, error)

// Cause is what led to the status that a pod is about to get. A node names the
// newest event of the pod that it was told of. Since then a container may have
// died by itself: what comes now follows from that, and from what the node has
// said of it. Without a past it is as the node names it.
func Cause(node proto.NodeName, item *proto.ReportItem, have *corev1.Pod, is *corev1.PodStatus, past Past) (proto.Seq, error) {
	if item.Cause == 0 || item.Ended || past == nil {
		return item.Cause, nil
	}
	before, now := countLives(&have.Status), countLives(is)
	switch {
	case have.DeletionTimestamp != nil || now.ends == 0:
		return item.Cause, nil
	case now.ends > before.ends && now.restarts > before.restarts:
		return 0, nil // died and started again since the last report: by itself
	}
	recent, err := past(item.Key, chainLength)
	if err != nil {
		return 0, fmt.Errorf("look for what led to the status of %s: %w", item.Key, err)
	}
	newest := item.Cause
	for _, env := range recent {
		if env.Seq <= item.Cause {
			break
		}
		if env.Actor != proto.NodeActor(node) || !observes(env, item) {
			continue
		}
		newest = max(newest, env.Seq)
		if env.Cause.Seq == 0 {
			return newest, nil
		}
	}
	return item.Cause, nil
}

// observes tells whether a transaction is about the status of the item's pod.
func observes(env *proto.Envelope, item *proto.ReportItem) bool {
	return slices.ContainsFunc(env.Events, func(ev proto.Event) bool {
		return ev.Section == proto.SectionStatus && ev.Key == item.Key && ev.UID == item.UID
	})
}

// lives counts what became of a pod's containers, over all attempts.
type lives struct{ restarts, ends int32 }

func countLives(status *corev1.PodStatus) (out lives) {
	for _, list := range [][]corev1.ContainerStatus{status.InitContainerStatuses, status.ContainerStatuses} {
		for i := range list {
			c := &list[i]
			out.restarts += c.RestartCount
			out.ends += c.RestartCount
			if c.State.Terminated != nil || backsOff(c) {
				out.ends++
			}
		}
	}
	return out
}

// backsOff tells whether a container that ended waits for its next attempt,
// which its restart count does not include yet.
func backsOff(c *corev1.ContainerStatus) bool {
	waiting := c.State.Waiting
	return waiting != nil && c.LastTerminationState.Terminated != nil &&
		waiting.Reason != "ContainerCreating" && waiting.Reason != "PodInitializing"
}
