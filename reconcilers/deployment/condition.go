package deployment

import (
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	"segno/reconcilers"
)

// condition answers the condition of that type, or nil.
func (p *plan) condition(of appsv1.DeploymentConditionType) *appsv1.DeploymentCondition {
	for i := range p.conditions {
		if p.conditions[i].Type == of {
			return &p.conditions[i]
		}
	}
	return nil
}

// setCondition writes a condition, unless one says the same already. The time of
// transition changes with the status only.
func (p *plan) setCondition(want appsv1.DeploymentCondition) {
	if is := p.condition(want.Type); is != nil && is.Status == want.Status && is.Reason == want.Reason {
		return
	}
	p.renewCondition(want)
}

// renewCondition writes a condition even when it says nothing new: then it is
// news that it still holds.
func (p *plan) renewCondition(want appsv1.DeploymentCondition) {
	want.LastUpdateTime = reconcilers.Stamp(p.at)
	want.LastTransitionTime = want.LastUpdateTime
	is := p.condition(want.Type)
	if is == nil {
		p.conditions = append(p.conditions, want)
		return
	}
	if is.Status == want.Status {
		want.LastTransitionTime = is.LastTransitionTime
	}
	*is = want
}

func (p *plan) dropCondition(of appsv1.DeploymentConditionType) {
	p.conditions = slices.DeleteFunc(p.conditions, func(c appsv1.DeploymentCondition) bool { return c.Type == of })
}

// progressing writes the condition that says how the rollout goes.
func (p *plan) progressing(status corev1.ConditionStatus, reason, message string) {
	p.setCondition(appsv1.DeploymentCondition{
		Type: appsv1.DeploymentProgressing, Status: status, Reason: reason, Message: message,
	})
}
