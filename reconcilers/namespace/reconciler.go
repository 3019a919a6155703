package namespace

import (
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"

	"segno/events"
	"segno/proto"
	"segno/reconcilers"
)

const (
	// atOnce is how many objects are deleted in one transaction.
	atOnce = 500
	// soon is when to look again at what has been deleted.
	soon = 10 * time.Millisecond
)

// Reconciler implements reconcilers.Reconciler. Its keys are namespaces.
type Reconciler struct{ table *events.Table }

var _ reconcilers.Reconciler = (*Reconciler)(nil)

// New makes the reconciler over the kinds of the table.
func New(table *events.Table) *Reconciler { return &Reconciler{table: table} }

// Name is "namespace".
func (r *Reconciler) Name() string { return "namespace" }

// Watches says what matters: namespaces, and what leaves one that is being
// emptied.
func (r *Reconciler) Watches() []reconcilers.Watch {
	watches := []reconcilers.Watch{{Resource: reconcilers.Namespaces, Keys: reconcilers.WhenWanted}}
	for _, kind := range r.table.All() {
		if kind.Namespaced && kind.Stream == proto.StreamEvents {
			watches = append(watches, reconcilers.Watch{Resource: kind.Resource, Keys: keysOfContent})
		}
	}
	return watches
}

// keysOfContent leads from an object that is gone to its namespace, if that
// waits for it.
func keysOfContent(view events.View, change *reconcilers.Change) ([]reconcilers.Key, error) {
	if !change.Gone() {
		return nil, nil
	}
	key := reconcilers.Namespaces.Key("", change.Key.Namespace)
	ns, err := view.Get(key)
	if err != nil || ns == nil || ns.GetDeletionTimestamp() == nil {
		return nil, err
	}
	return []reconcilers.Key{key}, nil
}

// Reconcile empties a namespace that is being deleted, and ends it.
func (r *Reconciler) Reconcile(view events.View, key reconcilers.Key, at time.Time) (d reconcilers.Decision, err error) {
	ns, ok, err := events.GetAs[*corev1.Namespace](view, key)
	if err != nil || !ok || ns.DeletionTimestamp == nil || !held(ns) {
		return d, err
	}
	left, err := r.remains(view, ns.Name)
	if err != nil {
		return d, fmt.Errorf("empty %s: %w", key, err)
	}
	for _, stream := range []string{proto.StreamEvents, proto.StreamNotes, proto.StreamLeases} {
		for deletions := range slices.Chunk(left.deletions(stream), atOnce) {
			d.Do("NamespaceTerminating", deletions...)
			d.Look(soon) // not every deletion ends an object, and not every end is a change of the EVENTS log
		}
	}
	if len(left.kinds) > 0 {
		left.explain(&d, ns, at)
		return d, nil
	}
	d.Do("Empty", finalized(ns))
	return d, nil
}

// held tells whether the namespace waits to be emptied.
func held(ns *corev1.Namespace) bool {
	return slices.Contains(ns.Spec.Finalizers, corev1.FinalizerKubernetes)
}

// finalized takes the finalizer off a namespace.
func finalized(ns *corev1.Namespace) events.Action {
	changed := events.Copy(ns)
	changed.Spec.Finalizers = slices.DeleteFunc(changed.Spec.Finalizers, func(f corev1.FinalizerName) bool {
		return f == corev1.FinalizerKubernetes
	})
	return events.Update{
		Key: reconcilers.Namespaces.Key("", ns.Name), Subresource: events.SubFinalize, Object: changed,
	}
}

// remains reads what is left in a namespace. Notes and leases come last: what
// goes before them may still tell something.
func (r *Reconciler) remains(view events.View, namespace string) (*remains, error) {
	left := &remains{}
	for _, last := range []bool{false, true} {
		if last && len(left.kinds) > 0 {
			break
		}
		for _, kind := range r.table.All() {
			if !kind.Namespaced || (kind.Stream != proto.StreamEvents) != last {
				continue
			}
			page, err := view.List(events.Query{Resource: kind.Resource, Namespace: namespace})
			if err != nil {
				return nil, fmt.Errorf("list %s: %w", kind.Resource, err)
			}
			if len(page.Items) > 0 {
				left.kinds = append(left.kinds, content{kind: kind, objects: page.Items})
			}
		}
	}
	return left, nil
}

// content is what is left of one kind.
type content struct {
	kind    *events.Kind
	objects []events.Object
}
