package deployment

import (
	"fmt"
	"maps"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// syncRevision gives the current set, if there is one, the newest revision and
// what the Deployment's metadata says; the Deployment gets the set's revision.
func (p *plan) syncRevision() {
	if p.current == nil {
		return
	}
	rs := p.current.rs
	p.annotate(rs)
	rs.Spec.MinReadySeconds = p.d.Spec.MinReadySeconds
	p.revision = rs.Annotations[revisionAnnotation]
	if p.hasDeadline() && p.condition(appsv1.DeploymentProgressing) == nil {
		p.progressing(corev1.ConditionTrue, "FoundNewReplicaSet", fmt.Sprintf("Found new replica set %q", rs.Name))
	}
}

// annotate gives a set its revision, one above all others, and the
// Deployment's annotations.
func (p *plan) annotate(rs *appsv1.ReplicaSet) {
	var newest int64
	for _, s := range p.old {
		newest = max(newest, revisionOf(s.rs))
	}
	copyAnnotations(rs, p.d)
	raiseRevision(rs, newest+1)
}

// ensureCurrent makes the set of the current template where there is none.
func (p *plan) ensureCurrent() error {
	if p.current != nil {
		p.syncRevision()
		return nil
	}
	rs, err := p.newSet()
	if err != nil {
		return err
	}
	p.annotate(rs)
	annotateSize(rs, p.wanted(), p.most())
	p.current = &set{rs: rs}
	p.revision = rs.Annotations[revisionAnnotation]
	size := p.roomForCurrent()
	rs.Spec.Replicas = &size
	if size > 0 {
		p.tell("ScalingReplicaSet", fmt.Sprintf("Scaled up replica set %s from 0 to %d", rs.Name, size))
	}
	p.reason = "NewReplicaSet"
	if p.hasDeadline() {
		p.progressing(corev1.ConditionTrue, "NewReplicaSetCreated", fmt.Sprintf("Created new replica set %q", rs.Name))
	}
	return nil
}

// newSet is a ReplicaSet of the current template and of no size. Its name says
// the template's hash; a name that is taken counts as a collision.
func (p *plan) newSet() (*appsv1.ReplicaSet, error) {
	for {
		hash, err := hashOf(&p.d.Spec.Template, p.collisions)
		if err != nil {
			return nil, err
		}
		rs := p.setNamed(p.d.Name+"-"+hash, hash)
		other, err := p.view.Get(keyOf(rs))
		if err != nil {
			return nil, fmt.Errorf("look for replica set %s/%s: %w", rs.Namespace, rs.Name, err)
		}
		if other == nil {
			return rs, nil
		}
		next := int32(1)
		if p.collisions != nil {
			next += *p.collisions
		}
		p.collisions = &next
	}
}

func (p *plan) setNamed(name, hash string) *appsv1.ReplicaSet {
	template := *p.d.Spec.Template.DeepCopy()
	template.Labels = labelled(template.Labels, hash)
	selector := p.d.Spec.Selector.DeepCopy()
	selector.MatchLabels = labelled(selector.MatchLabels, hash)
	owner := ownerOf(p.d)
	return &appsv1.ReplicaSet{
		ObjectMeta: metav1.ObjectMeta{
			Name: name, Namespace: p.d.Namespace, Labels: maps.Clone(template.Labels),
			OwnerReferences: []metav1.OwnerReference{owner.Reference()},
		},
		Spec: appsv1.ReplicaSetSpec{
			Replicas: new(int32), MinReadySeconds: p.d.Spec.MinReadySeconds, Selector: selector, Template: template,
		},
	}
}

func labelled(labels map[string]string, hash string) map[string]string {
	labels = maps.Clone(labels)
	if labels == nil {
		labels = map[string]string{}
	}
	labels[hashLabel] = hash
	return labels
}
