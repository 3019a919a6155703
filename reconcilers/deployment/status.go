package deployment

import (
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
)

// reportOnly works out the status without judging progress.
func (p *plan) reportOnly() {
	p.count()
	p.status.Conditions = p.conditions
}

// count adds up what the sets report.
func (p *plan) count() {
	p.status = appsv1.DeploymentStatus{
		ObservedGeneration:  p.d.Generation,
		CollisionCount:      p.collisions,
		TerminatingReplicas: new(int32),
	}
	for _, s := range p.all() {
		is := &s.rs.Status
		p.status.Replicas += is.Replicas
		p.status.ReadyReplicas += is.ReadyReplicas
		p.status.AvailableReplicas += is.AvailableReplicas
		if is.TerminatingReplicas != nil {
			*p.status.TerminatingReplicas += *is.TerminatingReplicas
		}
	}
	if p.current != nil {
		p.status.UpdatedReplicas = p.current.rs.Status.Replicas
	}
	p.status.UnavailableReplicas = max(0, p.status.Replicas-p.status.AvailableReplicas)

	_, missing := p.fenceposts()
	available := appsv1.DeploymentCondition{
		Type: appsv1.DeploymentAvailable, Status: corev1.ConditionFalse,
		Reason: "MinimumReplicasUnavailable", Message: "Deployment does not have minimum availability.",
	}
	if p.status.AvailableReplicas >= p.wanted()-missing {
		available.Status = corev1.ConditionTrue
		available.Reason = "MinimumReplicasAvailable"
		available.Message = "Deployment has minimum availability."
	}
	p.setCondition(available)
}

// complete tells whether all that is wanted is there, new and available, and
// nothing else.
func complete(d *appsv1.Deployment, status *appsv1.DeploymentStatus) bool {
	wanted := int32(1)
	if d.Spec.Replicas != nil {
		wanted = *d.Spec.Replicas
	}
	return status.UpdatedReplicas == wanted && status.Replicas == wanted && status.AvailableReplicas == wanted &&
		status.ObservedGeneration >= d.Generation
}
