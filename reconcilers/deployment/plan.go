package deployment

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"segno/events"
	"segno/reconcilers"
)

// plan is one look at a Deployment: what it found, and what it wants changed.
// Everything is worked out on copies; decision says what differs.
type plan struct {
	view events.View
	at   time.Time
	d    *appsv1.Deployment // as it is; never written to

	current *set   // the set of the current template; nil when there is none
	old     []*set // the others, oldest first

	revision   string // of the Deployment, as it should be
	collisions *int32
	conditions []appsv1.DeploymentCondition
	status     appsv1.DeploymentStatus
	step       string // what a change of sizes is part of: one CamelCase word
	reason     string // of the changes; empty when only the status changes

	notes []reconcilers.Note
	after time.Duration
}

// set is a ReplicaSet as it is and as it should be.
type set struct {
	was    *appsv1.ReplicaSet // nil when it is to be created
	rs     *appsv1.ReplicaSet // a copy, to be changed
	remove bool
}

func newPlan(view events.View, d *appsv1.Deployment, claimed []*appsv1.ReplicaSet, at time.Time) *plan {
	p := &plan{
		view: view, at: at, d: d,
		revision: d.Annotations[revisionAnnotation], collisions: d.Status.CollisionCount,
		conditions: slices.Clone(d.Status.Conditions),
	}
	slices.SortFunc(claimed, func(a, b *appsv1.ReplicaSet) int {
		return cmp.Or(a.CreationTimestamp.Compare(b.CreationTimestamp.Time), cmp.Compare(a.Name, b.Name))
	})
	for _, rs := range claimed {
		one := &set{was: rs, rs: events.Copy(rs)}
		if p.current == nil && sameTemplate(&rs.Spec.Template, &d.Spec.Template) {
			p.current = one
		} else {
			p.old = append(p.old, one)
		}
	}
	return p
}

// all lists every set, the current one last.
func (p *plan) all() []*set {
	all := slices.Clone(p.old)
	if p.current != nil {
		all = append(all, p.current)
	}
	return all
}

// size is how many replicas the set is to have.
func (s *set) size() int32 { return *s.rs.Spec.Replicas }

// sizeOf is how many replicas the sets are to have together, as far as that can
// be counted.
func sizeOf(sets []*set) int32 {
	var sum int64
	for _, s := range sets {
		sum += int64(s.size())
	}
	return clamped(sum)
}

// available is how many of the sets' replicas are available.
func available(sets []*set) (sum int32) {
	for _, s := range sets {
		sum += s.rs.Status.AvailableReplicas
	}
	return sum
}

// active lists the sets that are to have replicas.
func active(sets []*set) []*set {
	return slices.DeleteFunc(slices.Clone(sets), func(s *set) bool { return s.size() == 0 })
}

// resize sets the size of a set, and remembers in it what the Deployment asked
// for when it did.
func (p *plan) resize(s *set, to int32) {
	annotateSize(s.rs, p.wanted(), p.most())
	from := s.size()
	if from == to {
		return
	}
	direction := "up"
	if to < from {
		direction = "down"
	}
	p.reason = p.step
	*s.rs.Spec.Replicas = to
	p.tell("ScalingReplicaSet", fmt.Sprintf("Scaled %s replica set %s from %d to %d", direction, s.rs.Name, from, to))
}

func (p *plan) tell(reason, message string) {
	p.notes = append(p.notes, reconcilers.Note{
		About: reconcilers.About(reconcilers.DeploymentKind, p.d), Reason: reason, Message: message,
	})
}

// decision says what differs: one transaction for the sets, the revision and
// the status, which is never parted, and one for the sets that are not needed any more.
func (p *plan) decision() reconcilers.Decision {
	decision := reconcilers.Decision{Notes: p.notes, After: p.after}
	var changes, removals []events.Action
	for _, s := range p.all() {
		key := keyOf(s.rs)
		switch {
		case s.remove:
			removals = append(removals, events.Delete{
				Key: key, Options: metav1.DeleteOptions{Preconditions: &metav1.Preconditions{
					UID: &s.was.UID, ResourceVersion: &s.was.ResourceVersion,
				}},
			})
		case s.was == nil:
			changes = append(changes, events.Create{
				Key: key, Object: s.rs, UID: reconcilers.UID("replicaset", p.d.UID, p.view.Seq(), s.rs.Name),
			})
		case !equality.Semantic.DeepEqual(s.was, s.rs):
			changes = append(changes, events.Update{Key: key, Object: s.rs})
		}
	}
	decision.DoWhole(p.reason, append(changes, p.ownChanges()...)...)
	decision.Do("RevisionHistoryLimit", removals...)
	return decision
}

// ownChanges are those of the Deployment itself. The status goes by the version
// that was read, unless the revision goes before it in the same transaction:
// being an annotation, that raises the version and the generation.
func (p *plan) ownChanges() (changes []events.Action) {
	key := reconcilers.Deployments.Key(p.d.Namespace, p.d.Name)
	version := p.d.ResourceVersion
	if p.revision != p.d.Annotations[revisionAnnotation] {
		revised := events.Copy(p.d)
		metav1.SetMetaDataAnnotation(&revised.ObjectMeta, revisionAnnotation, p.revision)
		changes = append(changes, events.Update{Key: key, Object: revised})
		version = ""
		p.status.ObservedGeneration = p.d.Generation + 1
	}
	if !equality.Semantic.DeepEqual(p.d.Status, p.status) {
		reported := events.Copy(p.d)
		reported.Status = p.status
		reported.ResourceVersion = version
		changes = append(changes, events.Update{Key: key, Subresource: events.SubStatus, Object: reported})
	}
	return changes
}
