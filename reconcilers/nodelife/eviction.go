package nodelife

import (
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"segno/events"
	"segno/events/podstate"
	"segno/events/taint"
	"segno/reconcilers"
)

// evictor is who the notes about evictions are from.
const evictor = "taint-eviction-controller"

// holdOn is when to look again while evictions are held back.
const holdOn = 5 * time.Second

// evict ends the pods that do not tolerate the node's taints, or not any longer.
// While no node at all is ready, more likely the trouble is on this side, and
// nobody is evicted for a node's silence.
func (l *look) evict() error {
	taints := driving(l.node)
	if len(taints) == 0 {
		return nil
	}
	held := false
	var evictions, silenced []events.Action
	for _, pod := range l.pods {
		if pod.DeletionTimestamp != nil || podstate.Finished(pod) {
			continue
		}
		due, cause := firstDue(pod, taints)
		switch {
		case cause == nil:
		case l.at.Before(due):
			l.decision.Look(due.Sub(l.at))
		case forSilence(cause):
			if l.told {
				continue // in the next look, which knows the transaction that it follows from
			}
			anyone, err := anyReady(l.view)
			if err != nil {
				return err
			}
			if !anyone {
				held = true
				continue
			}
			silenced = append(silenced, l.eviction(pod)...)
		default:
			evictions = append(evictions, l.eviction(pod)...)
		}
	}
	if held {
		l.decision.Look(holdOn)
	}
	l.decision.Do("TaintEviction", evictions...)
	return l.endSilenced(silenced)
}

// endSilenced ends pods because their node is not ready. That follows from what
// wrote the node's status last, whatever made this look: somebody may have touched
// the node since.
func (l *look) endSilenced(evictions []events.Action) error {
	if len(evictions) == 0 {
		return nil
	}
	key := reconcilers.Nodes.Key("", l.node.Name)
	said, err := events.StatusSeq(l.view, key)
	if err != nil {
		return fmt.Errorf("read when %s became unready: %w", key, err)
	}
	l.decision.Do("TaintEviction", evictions...)
	l.decision.Commands[len(l.decision.Commands)-1].Cause.Seq = said
	return nil
}

// firstDue is when the pod has to go, and because of which taint; nil when it
// tolerates all of them for ever.
func firstDue(pod *corev1.Pod, taints []*corev1.Taint) (due time.Time, cause *corev1.Taint) {
	for _, t := range taints {
		at, ends := tolerated(pod, t)
		if ends && (cause == nil || at.Before(due)) {
			due, cause = at, t
		}
	}
	return due, cause
}

// tolerated is until when a pod tolerates a taint: the shortest of the times
// that its tolerations give. ends is false when none gives one.
func tolerated(pod *corev1.Pod, t *corev1.Taint) (until time.Time, ends bool) {
	if t.TimeAdded != nil {
		until = t.TimeAdded.Time
	}
	if !taint.Tolerates(pod.Spec.Tolerations, t) {
		return until, true
	}
	var shortest *int64
	for i := range pod.Spec.Tolerations {
		tol := &pod.Spec.Tolerations[i]
		if tol.TolerationSeconds == nil || !taint.Matches(tol, t) {
			continue
		}
		if shortest == nil || *tol.TolerationSeconds < *shortest {
			shortest = tol.TolerationSeconds
		}
	}
	if shortest == nil {
		return until, false
	}
	return until.Add(time.Duration(max(0, *shortest)) * time.Second), true
}

// eviction says in the pod why it goes, and ends it.
func (l *look) eviction(pod *corev1.Pod) []events.Action {
	l.decision.Notes = append(l.decision.Notes, reconcilers.Note{
		About: reconcilers.About(reconcilers.PodKind, pod), Reason: "TaintManagerEviction", From: evictor, Needs: keyOf(pod),
		Message: fmt.Sprintf("Marking for deletion Pod %s/%s", pod.Namespace, pod.Name),
	})
	return l.end(pod, "DeletionByTaintManager", "Taint manager: deleting due to NoExecute taint", nil)
}

// end marks a pod as ended from outside, and deletes it.
func (l *look) end(pod *corev1.Pod, reason, message string, grace *int64) []events.Action {
	marked := events.Copy(pod)
	marked.ResourceVersion = "" // the deletion that goes with it checks the UID
	podstate.SetCondition(marked, corev1.PodCondition{
		Type: corev1.DisruptionTarget, Status: corev1.ConditionTrue, Reason: reason, Message: message,
	}, reconcilers.Stamp(l.at))
	return []events.Action{
		events.Update{Key: keyOf(pod), Subresource: events.SubStatus, Object: marked},
		events.Delete{Key: keyOf(pod), Options: metav1.DeleteOptions{
			GracePeriodSeconds: grace, Preconditions: &metav1.Preconditions{UID: &pod.UID},
		}},
	}
}
