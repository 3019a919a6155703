// Package allocation reports what is wrong with the addresses and ports that
// Services hold.
//
// What comes in: all Services, and the ranges that the cluster gives out. What goes
// out: a condition of each Service that holds what another has, what is outside the
// ranges, or what it does not need, and a note when that is found; the condition
// goes when it is so no more.
//
// What never happens here: a repair. Clients know a Service by its address; only a
// person can say which of two is to get another.
//
// All of it is in this file; events/kinds/service_check.go says what is wrong.
package allocation

import (
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"segno/events"
	"segno/events/kinds"
	"segno/reconcilers"
)

// Condition of a Service, with status True, says what is wrong with what it holds.
const Condition = "AllocationProblem"

const (
	// settle is how long to gather changes: a look costs what all Services cost.
	settle = time.Second
	// perTransaction bounds how many Services are written at once.
	perTransaction = 50
	// maxShown is how many flaws of one Service its condition names.
	maxShown = 5
)

// Reconciler implements reconcilers.Reconciler. Its one key is for all Services:
// what one holds may be at odds with any other.
type Reconciler struct{}

var _ reconcilers.Reconciler = Reconciler{}

// New makes the reconciler.
func New() Reconciler { return Reconciler{} }

// Name is "allocation".
func (Reconciler) Name() string { return "allocation" }

// everything is the only key.
var everything = reconcilers.Services.Key("", "")

// Watches says what matters: what Services hold, and the ranges.
func (Reconciler) Watches() []reconcilers.Watch {
	return []reconcilers.Watch{
		{Resource: reconcilers.Services, Keys: keysOfService, Settle: settle},
		{Resource: reconcilers.Namespaces, Keys: keysOfNamespace, Settle: settle},
	}
}

func keysOfService(_ events.View, change *reconcilers.Change) ([]reconcilers.Key, error) {
	before, after := reconcilers.Both[*corev1.Service](change)
	if before != nil && after != nil && equality.Semantic.DeepEqual(before.Spec, after.Spec) &&
		equality.Semantic.DeepEqual(before.Status.Conditions, after.Status.Conditions) {
		return nil, nil
	}
	return []reconcilers.Key{everything}, nil
}

func keysOfNamespace(_ events.View, change *reconcilers.Change) ([]reconcilers.Key, error) {
	if change.Key.Name != metav1.NamespaceSystem {
		return nil, nil
	}
	return []reconcilers.Key{everything}, nil
}

// Reconcile looks at all Services.
func (Reconciler) Reconcile(view events.View, _ reconcilers.Key, at time.Time) (d reconcilers.Decision, err error) {
	flaws, err := kinds.CheckServices(view)
	if err != nil {
		return d, err
	}
	found := map[types.NamespacedName][]kinds.ServiceFlaw{}
	for _, flaw := range flaws {
		found[flaw.Service] = append(found[flaw.Service], flaw)
	}
	all, err := events.ListAs[*corev1.Service](view, events.Query{Resource: reconcilers.Services})
	if err != nil {
		return d, fmt.Errorf("list services: %w", err)
	}
	var actions []events.Action
	for _, service := range all {
		of := found[types.NamespacedName{Namespace: service.Namespace, Name: service.Name}]
		if len(of) == 0 && meta.FindStatusCondition(service.Status.Conditions, Condition) == nil {
			continue
		}
		wanted := events.Copy(service)
		if len(of) == 0 {
			meta.RemoveStatusCondition(&wanted.Status.Conditions, Condition)
		} else if !meta.SetStatusCondition(&wanted.Status.Conditions, condition(of, at)) {
			continue
		}
		key := reconcilers.Services.Key(service.Namespace, service.Name)
		actions = append(actions, events.Update{Key: key, Subresource: events.SubStatus, Object: wanted})
		for _, flaw := range of[:min(len(of), maxShown)] {
			d.Notes = append(d.Notes, reconcilers.Note{
				About: reconcilers.About(reconcilers.ServiceKind, service), Warning: true, Reason: flaw.Reason, Message: flaw.Message, Needs: key,
			})
		}
	}
	for chunk := range slices.Chunk(actions, perTransaction) {
		d.Do("AllocationChecked", chunk...)
	}
	d.Unordered = true
	return d, nil
}

func condition(of []kinds.ServiceFlaw, at time.Time) metav1.Condition {
	var messages []string
	for _, flaw := range of[:min(len(of), maxShown)] {
		messages = append(messages, flaw.Message)
	}
	if more := len(of) - maxShown; more > 0 {
		messages = append(messages, fmt.Sprintf("and %d more", more))
	}
	return metav1.Condition{
		Type: Condition, Status: metav1.ConditionTrue, Reason: of[0].Reason, Message: strings.Join(messages, "; "),
		LastTransitionTime: reconcilers.Stamp(at),
	}
}
