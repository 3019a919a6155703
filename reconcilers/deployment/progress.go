package deployment

import (
	"fmt"
	"math"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
)

// Reasons of the Progressing condition that are also read here.
const (
	reasonAvailable = "NewReplicaSetAvailable"
	reasonStalled   = "ProgressDeadlineExceeded"
	reasonPaused    = "DeploymentPaused"
	reasonResumed   = "DeploymentResumed"
)

// hasDeadline tells whether a rollout has to get on within a time.
func (p *plan) hasDeadline() bool {
	limit := p.d.Spec.ProgressDeadlineSeconds
	return limit != nil && *limit != math.MaxInt32
}

// notePause says in the Progressing condition that the rollout stands still by
// wish, so that the deadline does not run; a stall that was found stays.
func (p *plan) notePause() {
	if !p.hasDeadline() {
		return
	}
	is := p.condition(appsv1.DeploymentProgressing)
	if is != nil && is.Reason == reasonStalled {
		return
	}
	paused := is != nil && is.Reason == reasonPaused
	switch {
	case p.d.Spec.Paused && !paused:
		p.progressing(corev1.ConditionUnknown, reasonPaused, "Deployment is paused")
	case !p.d.Spec.Paused && paused:
		p.progressing(corev1.ConditionUnknown, reasonResumed, "Deployment is resumed")
	}
}

// report works out the status and judges the progress of the rollout.
func (p *plan) report() {
	p.count()
	p.judge()
	p.noteFailure()
	p.status.Conditions = p.conditions
}

// judge says whether the rollout is done, gets on, or has run out of time.
func (p *plan) judge() {
	if !p.hasDeadline() {
		p.dropCondition(appsv1.DeploymentProgressing)
		return
	}
	is := p.condition(appsv1.DeploymentProgressing)
	if is != nil && is.Reason == reasonAvailable && p.status.Replicas == p.status.UpdatedReplicas {
		return // done before; what happens to it now is not a rollout
	}
	subject := fmt.Sprintf("Deployment %q", p.d.Name)
	if p.current != nil {
		subject = fmt.Sprintf("ReplicaSet %q", p.current.rs.Name)
	}
	switch {
	case complete(p.d, &p.status):
		p.progressing(corev1.ConditionTrue, reasonAvailable, subject+" has successfully progressed.")
	case p.gotOn():
		p.renewCondition(appsv1.DeploymentCondition{
			Type: appsv1.DeploymentProgressing, Status: corev1.ConditionTrue,
			Reason: "ReplicaSetUpdated", Message: subject + " is progressing.",
		})
		p.watchDeadline()
	case p.timedOut():
		p.progressing(corev1.ConditionFalse, reasonStalled, subject+" has timed out progressing.")
	default:
		p.watchDeadline()
	}
}

// gotOn tells whether there is more of the new, or less of the old, than the
// status said before.
func (p *plan) gotOn() bool {
	was, is := &p.d.Status, &p.status
	return is.UpdatedReplicas > was.UpdatedReplicas ||
		is.Replicas-is.UpdatedReplicas < was.Replicas-was.UpdatedReplicas ||
		is.ReadyReplicas > was.ReadyReplicas ||
		is.AvailableReplicas > was.AvailableReplicas
}

// deadline is when the rollout has to have got on; ok is false when none runs.
func (p *plan) deadline() (at time.Time, ok bool) {
	is := p.condition(appsv1.DeploymentProgressing)
	if is == nil || is.Reason == reasonAvailable || is.Reason == reasonStalled {
		return at, false
	}
	limit := time.Duration(*p.d.Spec.ProgressDeadlineSeconds) * time.Second
	return is.LastUpdateTime.Add(limit), true
}

func (p *plan) timedOut() bool {
	if is := p.condition(appsv1.DeploymentProgressing); is != nil && is.Reason == reasonStalled {
		return true
	}
	at, running := p.deadline()
	return running && !p.at.Before(at)
}

// watchDeadline asks for a look when the deadline has passed.
func (p *plan) watchDeadline() {
	if at, running := p.deadline(); running {
		p.after = max(time.Millisecond, at.Sub(p.at))
	}
}

// noteFailure passes on what keeps a set from making its pods: the current
// set's trouble before that of the others.
func (p *plan) noteFailure() {
	sets := p.all()
	for i := len(sets) - 1; i >= 0; i-- {
		for _, c := range sets[i].rs.Status.Conditions {
			if c.Type == appsv1.ReplicaSetReplicaFailure && c.Status == corev1.ConditionTrue {
				p.setFailure(c)
				return
			}
		}
	}
	p.dropCondition(appsv1.DeploymentReplicaFailure)
}

func (p *plan) setFailure(c appsv1.ReplicaSetCondition) {
	failure := appsv1.DeploymentCondition{
		Type: appsv1.DeploymentReplicaFailure, Status: c.Status, Reason: c.Reason, Message: c.Message,
	}
	if is := p.condition(failure.Type); is != nil && is.Message != failure.Message {
		p.renewCondition(failure)
		return
	}
	p.setCondition(failure)
}
