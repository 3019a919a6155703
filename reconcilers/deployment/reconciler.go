package deployment

import (
	"fmt"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"segno/events"
	"segno/events/podstate"
	"segno/proto"
	"segno/reconcilers"
	"segno/reconcilers/internal/claim"
)

// Reconciler implements reconcilers.Reconciler. Its keys are Deployments, and
// ReplicaSets without a controller.
type Reconciler struct{}

var _ reconcilers.Reconciler = Reconciler{}

// New makes the reconciler.
func New() Reconciler { return Reconciler{} }

// Name is "deployment".
func (Reconciler) Name() string { return "deployment" }

// Watches says what matters: what is wanted of a Deployment, every change of its
// ReplicaSets, and for Recreate the end of its pods.
func (Reconciler) Watches() []reconcilers.Watch {
	return []reconcilers.Watch{
		{Resource: reconcilers.Deployments, Keys: reconcilers.WhenWanted},
		{Resource: reconcilers.ReplicaSets, Keys: keysOfSet},
		{Resource: reconcilers.Pods, Keys: keysOfEndedPod},
	}
}

// keysOfSet leads from a ReplicaSet to its Deployment, before and after the
// change; from an orphan to itself.
func keysOfSet(_ events.View, change *reconcilers.Change) ([]reconcilers.Key, error) {
	var keys []reconcilers.Key
	before, after := reconcilers.Both[*appsv1.ReplicaSet](change)
	for _, rs := range []*appsv1.ReplicaSet{before, after} {
		if rs == nil {
			continue
		}
		key, ok := claim.ControllerKey(rs, reconcilers.DeploymentKind, reconcilers.Deployments)
		if ok && (len(keys) == 0 || keys[0] != key) {
			keys = append(keys, key)
		}
	}
	if after != nil && change.Significant() && len(after.Labels) > 0 && metav1.GetControllerOfNoCopy(after) == nil {
		keys = append(keys, change.Key)
	}
	return keys, nil
}

// keysOfEndedPod leads from a pod that is gone or finished to its Deployment, if
// that waits for the last old pod before it makes new ones.
func keysOfEndedPod(view events.View, change *reconcilers.Change) ([]reconcilers.Key, error) {
	pod, ok := reconcilers.Of[*corev1.Pod](change)
	if !ok || (!change.Gone() && !podstate.Finished(pod)) {
		return nil, nil
	}
	setKey, ok := claim.ControllerKey(pod, reconcilers.ReplicaSetKind, reconcilers.ReplicaSets)
	if !ok {
		return nil, nil
	}
	rs, ok, err := events.GetAs[*appsv1.ReplicaSet](view, setKey)
	if err != nil || !ok {
		return nil, err
	}
	key, ok := claim.ControllerKey(rs, reconcilers.DeploymentKind, reconcilers.Deployments)
	if !ok {
		return nil, nil
	}
	d, ok, err := events.GetAs[*appsv1.Deployment](view, key)
	if err != nil || !ok || d.Spec.Strategy.Type != appsv1.RecreateDeploymentStrategyType {
		return nil, err
	}
	return []reconcilers.Key{key}, nil
}

// Reconcile looks at a Deployment or at an orphaned ReplicaSet.
func (Reconciler) Reconcile(view events.View, key reconcilers.Key, at time.Time) (reconcilers.Decision, error) {
	if key.Resource == reconcilers.ReplicaSets {
		return adoptOrphan(view, key)
	}
	d, ok, err := events.GetAs[*appsv1.Deployment](view, key)
	if err != nil || !ok {
		return reconcilers.Decision{}, err
	}
	claimed, decision, err := claimSets(view, d)
	if err != nil || len(decision.Commands) > 0 {
		return decision, err
	}
	p := newPlan(view, d, claimed, at)
	if err := p.roll(); err != nil {
		return reconcilers.Decision{}, err
	}
	return p.decision(), nil
}

// roll brings the ReplicaSets a step nearer to what the Deployment asks for.
func (p *plan) roll() error {
	if p.d.DeletionTimestamp != nil {
		p.reportOnly()
		return nil
	}
	p.notePause()
	switch {
	case p.d.Spec.Paused, p.rescaled():
		p.step = "Scaled"
		p.syncRevision()
		p.scale()
		p.reportOnly()
		if p.d.Spec.Paused {
			p.cleanUp()
		}
		return nil
	case p.d.Spec.Strategy.Type == appsv1.RecreateDeploymentStrategyType:
		p.step = "Recreate"
		if err := p.recreate(); err != nil {
			return err
		}
	default:
		p.step = "RollingUpdate"
		if err := p.rollOver(); err != nil {
			return err
		}
	}
	p.report()
	if complete(p.d, &p.status) {
		p.cleanUp()
	}
	return nil
}

// claimSets answers the ReplicaSets of a Deployment. When it first has to
// adopt some or let some go, the decision does that alone.
func claimSets(view events.View, d *appsv1.Deployment) ([]*appsv1.ReplicaSet, reconcilers.Decision, error) {
	var decision reconcilers.Decision
	owner := ownerOf(d)
	sets, err := events.ListAs[*appsv1.ReplicaSet](view, events.Query{
		Resource: reconcilers.ReplicaSets, Namespace: d.Namespace, Owner: d.UID,
	})
	if err != nil {
		return nil, decision, fmt.Errorf("list replica sets of deployment %s/%s: %w", d.Namespace, d.Name, err)
	}
	kept, released := claim.Sort(owner, sets)
	var actions []events.Action
	for _, rs := range released {
		actions = append(actions, claim.Release(owner, keyOf(rs), rs))
	}
	decision.Do("SelectorMismatch", actions...)
	if d.Status.ObservedGeneration > 0 {
		return kept, decision, nil // orphans come with keys of their own
	}
	orphans, err := claim.Orphans[*appsv1.ReplicaSet](view, owner, reconcilers.ReplicaSets)
	if err != nil {
		return nil, decision, fmt.Errorf("list orphans for deployment %s/%s: %w", d.Namespace, d.Name, err)
	}
	actions = nil
	for _, rs := range orphans {
		actions = append(actions, claim.Adopt(owner, keyOf(rs), rs))
	}
	decision.Do("Adopted", actions...)
	return kept, decision, nil
}

// adoptOrphan gives a ReplicaSet without a controller to the Deployment that
// selects it.
func adoptOrphan(view events.View, key proto.ObjectKey) (d reconcilers.Decision, err error) {
	rs, ok, err := events.GetAs[*appsv1.ReplicaSet](view, key)
	if err != nil || !ok || metav1.GetControllerOfNoCopy(rs) != nil || rs.DeletionTimestamp != nil {
		return d, err
	}
	deployments, err := events.ListAs[*appsv1.Deployment](view, events.Query{
		Resource: reconcilers.Deployments, Namespace: rs.Namespace,
	})
	if err != nil {
		return d, fmt.Errorf("list deployments that could adopt %s: %w", key, err)
	}
	owners := make([]claim.Owner, 0, len(deployments))
	for _, one := range deployments {
		owners = append(owners, ownerOf(one))
	}
	if heir, ok := claim.Heir(rs, owners); ok {
		d.Do("Adopted", claim.Adopt(heir, key, rs))
	}
	return d, nil
}

func ownerOf(d *appsv1.Deployment) claim.Owner {
	return claim.Owner{Kind: reconcilers.DeploymentKind, Object: d, Selector: d.Spec.Selector}
}

func keyOf(rs *appsv1.ReplicaSet) proto.ObjectKey {
	return reconcilers.ReplicaSets.Key(rs.Namespace, rs.Name)
}
