package garbage

import (
	"fmt"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"segno/events"
	"segno/proto"
	"segno/reconcilers"
)

// departed is the resource of keys that name, by its UID, an owner that is gone:
// what is left to look at are its dependents.
var departed = proto.Resource{Name: "departed"}

// atOnce is how many objects are changed in one transaction.
const atOnce = 500

// Reconciler implements reconcilers.Reconciler. Its keys are objects of any
// kind, and departed owners.
type Reconciler struct{ table *events.Table }

var _ reconcilers.Reconciler = (*Reconciler)(nil)

// New makes the reconciler over the kinds of the table.
func New(table *events.Table) *Reconciler { return &Reconciler{table: table} }

// Name is "garbage".
func (r *Reconciler) Name() string { return "garbage" }

// Watches are all kinds of the EVENTS log.
func (r *Reconciler) Watches() []reconcilers.Watch {
	var watches []reconcilers.Watch
	for _, kind := range r.table.All() {
		if kind.Stream == proto.StreamEvents {
			watches = append(watches, reconcilers.Watch{Resource: kind.Resource, Keys: r.keys})
		}
	}
	return watches
}

// keys leads from an object to itself when its references change or when its
// deletion begins; from one that is gone to its dependents; and from one that
// is no longer owned to the owner, if that waits for it.
func (r *Reconciler) keys(view events.View, change *reconcilers.Change) ([]reconcilers.Key, error) {
	if !change.Significant() {
		return nil, nil
	}
	if change.Gone() {
		waiting, err := r.waitingOwners(view, change.Before(), nil)
		return append(waiting, departed.Key("", string(change.UID))), err
	}
	if change.Created() {
		if change.Free() {
			return nil, nil
		}
		return []reconcilers.Key{change.Key}, nil
	}
	before, after := change.Before(), change.After()
	var keys []reconcilers.Key
	if ends(before) != ends(after) || !slices.Equal(before.GetFinalizers(), after.GetFinalizers()) {
		keys = append(keys, change.Key)
	}
	if !equality.Semantic.DeepEqual(before.GetOwnerReferences(), after.GetOwnerReferences()) {
		waiting, err := r.waitingOwners(view, before, after)
		if err != nil {
			return nil, err
		}
		keys = append(append(keys, change.Key), waiting...)
	}
	return keys, nil
}

func ends(obj events.Object) bool { return obj.GetDeletionTimestamp() != nil }

// waitingOwners lists the owners of before that wait for their dependents to be
// gone; after, when it is not nil, may still hold some of them.
func (r *Reconciler) waitingOwners(view events.View, before, after events.Object) ([]reconcilers.Key, error) {
	var keys []reconcilers.Key
	for _, ref := range before.GetOwnerReferences() {
		if after != nil && slices.ContainsFunc(after.GetOwnerReferences(), func(now metav1.OwnerReference) bool {
			return equality.Semantic.DeepEqual(now, ref)
		}) {
			continue
		}
		owner, state, err := r.owner(view, before, ref)
		if err != nil {
			return nil, err
		}
		if state == waiting {
			keys = append(keys, owner)
		}
	}
	return keys, nil
}

// Reconcile looks at an object, as a dependent and as an owner, or at what a
// departed owner leaves.
func (r *Reconciler) Reconcile(view events.View, key reconcilers.Key, _ time.Time) (d reconcilers.Decision, err error) {
	if key.Resource == departed {
		left, err := r.dependents(view, types.UID(key.Name))
		if err != nil {
			return d, err
		}
		return d, r.sweep(&d, view, left)
	}
	obj, err := view.Get(key)
	if err != nil || obj == nil {
		return d, err
	}
	switch {
	case !ends(obj):
		action, reason, err := r.asDependent(view, thing{key: key, obj: obj})
		if err == nil && action != nil {
			d.Do(reason, action)
		}
		return d, err
	case slices.Contains(obj.GetFinalizers(), metav1.FinalizerOrphanDependents):
		return d, r.orphan(&d, view, thing{key: key, obj: obj})
	case slices.Contains(obj.GetFinalizers(), metav1.FinalizerDeleteDependents):
		return d, r.await(&d, view, thing{key: key, obj: obj})
	default:
		return d, nil
	}
}

// thing is an object with its key.
type thing struct {
	key proto.ObjectKey
	obj events.Object
}

// dependents lists all objects, of any kind, that refer to an owner.
func (r *Reconciler) dependents(view events.View, owner types.UID) ([]thing, error) {
	var all []thing
	for _, kind := range r.table.All() {
		page, err := view.List(events.Query{Resource: kind.Resource, Owner: owner})
		if err != nil {
			return nil, fmt.Errorf("list %s of owner %s: %w", kind.Resource, owner, err)
		}
		for _, obj := range page.Items {
			all = append(all, thing{key: kind.KeyOf(obj), obj: obj})
		}
	}
	return all, nil
}

// bundle makes transactions of actions: each of one kind, so of one log, and of
// one reason.
type bundle struct {
	decision *reconcilers.Decision
	reason   string
	of       proto.Resource
	actions  []events.Action
}

func (b *bundle) add(reason string, of proto.Resource, action events.Action) {
	if reason != b.reason || of != b.of || len(b.actions) >= atOnce {
		b.flush()
	}
	b.reason, b.of = reason, of
	b.actions = append(b.actions, action)
}

func (b *bundle) flush() {
	b.decision.Do(b.reason, b.actions...)
	b.actions = nil
}
