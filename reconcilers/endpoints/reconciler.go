package endpoints

import (
	"fmt"
	"maps"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"segno/events"
	"segno/events/kinds"
	"segno/events/podstate"
	"segno/reconcilers"
)

// perTransaction bounds how many objects are written at once: a slice of a
// hundred endpoints takes some 30 KB.
const perTransaction = 50

// settle is how long to gather changes of pods: a Service with many of them is
// then written a few times in a burst, and not once for each.
const settle = 50 * time.Millisecond

// Reconciler implements reconcilers.Reconciler. Its keys are Services; and
// Endpoints, when the Service of that name is gone.
type Reconciler struct{}

var _ reconcilers.Reconciler = Reconciler{}

// New makes the reconciler.
func New() Reconciler { return Reconciler{} }

// Name is "endpoints".
func (Reconciler) Name() string { return "endpoints" }

// Watches says what matters: Services, the pods behind them and where those are,
// and what is written here, so that it is put right when somebody else changes it.
func (Reconciler) Watches() []reconcilers.Watch {
	return []reconcilers.Watch{
		{Resource: reconcilers.Services, Keys: keysOfService},
		{Resource: reconcilers.Pods, Keys: keysOfPod, Settle: settle},
		{Resource: reconcilers.Nodes, Keys: keysOfNode, Settle: settle},
		{Resource: reconcilers.Endpoints, Keys: keysOfEndpoints},
		{Resource: reconcilers.EndpointSlices, Keys: keysOfSlice},
	}
}

func keysOfService(_ events.View, change *reconcilers.Change) ([]reconcilers.Key, error) {
	if change.Gone() {
		return []reconcilers.Key{reconcilers.Endpoints.Key(change.Key.Namespace, change.Key.Name)}, nil
	}
	return reconcilers.WhenWanted(nil, change)
}

func keysOfEndpoints(_ events.View, change *reconcilers.Change) ([]reconcilers.Key, error) {
	return []reconcilers.Key{reconcilers.Services.Key(change.Key.Namespace, change.Key.Name)}, nil
}

func keysOfSlice(_ events.View, change *reconcilers.Change) ([]reconcilers.Key, error) {
	service := change.Object().GetLabels()[discoveryv1.LabelServiceName]
	if service == "" {
		return nil, nil
	}
	return []reconcilers.Key{reconcilers.Services.Key(change.Key.Namespace, service)}, nil
}

// keysOfPod leads from a pod to the Services that select it, before or after
// the change, if the change is one that a Service sees.
func keysOfPod(view events.View, change *reconcilers.Change) ([]reconcilers.Key, error) {
	before, after := reconcilers.Both[*corev1.Pod](change)
	if before != nil && after != nil && sameBackend(before, after) {
		return nil, nil
	}
	services, err := events.ListAs[*corev1.Service](view, events.Query{
		Resource: reconcilers.Services, Namespace: change.Key.Namespace,
	})
	if err != nil {
		return nil, fmt.Errorf("list services of %s: %w", change.Key, err)
	}
	var keys []reconcilers.Key
	for _, svc := range services {
		if selects(svc, before) || selects(svc, after) {
			keys = append(keys, reconcilers.Services.Key(svc.Namespace, svc.Name))
		}
	}
	return keys, nil
}

// selects tells whether the pod has an address and the Service selects it.
func selects(svc *corev1.Service, pod *corev1.Pod) bool {
	return pod != nil && pod.Status.PodIP != "" && hasSelector(svc) &&
		labels.SelectorFromSet(svc.Spec.Selector).Matches(labels.Set(pod.Labels))
}

func hasSelector(svc *corev1.Service) bool {
	return len(svc.Spec.Selector) > 0 && svc.Spec.Type != corev1.ServiceTypeExternalName
}

// sameBackend tells whether a change leaves what a Service sees of a pod.
func sameBackend(before, after *corev1.Pod) bool {
	return before.Status.PodIP == after.Status.PodIP &&
		equality.Semantic.DeepEqual(before.Status.PodIPs, after.Status.PodIPs) &&
		podstate.Ready(before) == podstate.Ready(after) &&
		podstate.Finished(before) == podstate.Finished(after) &&
		(before.DeletionTimestamp == nil) == (after.DeletionTimestamp == nil) &&
		before.Spec.NodeName == after.Spec.NodeName &&
		maps.Equal(before.Labels, after.Labels)
}

// Reconcile looks at a Service, or at the Endpoints of one that is gone.
func (Reconciler) Reconcile(view events.View, key reconcilers.Key, _ time.Time) (d reconcilers.Decision, err error) {
	if key.Resource == reconcilers.Endpoints {
		return removeLeftover(view, key)
	}
	svc, ok, err := events.GetAs[*corev1.Service](view, key)
	if err != nil || !ok {
		return d, err // slices go with their owner
	}
	var actions []events.Action
	if hasSelector(svc) {
		actions, err = follow(view, svc)
	} else {
		actions, err = mirror(view, svc)
	}
	if err != nil {
		return d, fmt.Errorf("endpoints of %s: %w", key, err)
	}
	for len(actions) > 0 {
		n := min(len(actions), perTransaction)
		d.Do("", actions[:n]...)
		actions = actions[n:]
	}
	return d, nil
}

// follow writes what the selector finds.
func follow(view events.View, svc *corev1.Service) ([]events.Action, error) {
	pods, err := events.ListAs[*corev1.Pod](view, events.Query{
		Resource: reconcilers.Pods, Namespace: svc.Namespace, Labels: labels.SelectorFromSet(svc.Spec.Selector),
	})
	if err != nil {
		return nil, fmt.Errorf("list pods: %w", err)
	}
	var backends []backend
	places := zones{view: view, of: map[string]string{}}
	for _, pod := range pods {
		if pod.Status.PodIP == "" || podstate.Finished(pod) {
			continue
		}
		b := newBackend(svc, pod)
		if b.zone, err = places.find(pod.Spec.NodeName); err != nil {
			return nil, err
		}
		backends = append(backends, b)
	}
	actions, err := writeEndpoints(view, svc, backends)
	if err != nil {
		return nil, err
	}
	p := packing{
		view: view, svc: svc, prefix: svc.Name, manager: managedBySelector,
		owner: *metav1.NewControllerRef(svc, reconcilers.ServiceKind), labels: serviceLabels(svc),
	}
	slices, err := p.write(groupsOf(svc, backends))
	if err != nil {
		return nil, err
	}
	mirrors, err := unmirror(view, svc)
	return append(append(actions, slices...), mirrors...), err
}

// removeLeftover ends the Endpoints of a Service that is gone. The API's say where
// it is: its Service is made again in front of them (reconcilers/standing).
func removeLeftover(view events.View, key reconcilers.Key) (d reconcilers.Decision, err error) {
	if key.Namespace == kinds.APIService.Namespace && key.Name == kinds.APIService.Name {
		return d, nil
	}
	svc, err := view.Get(reconcilers.Services.Key(key.Namespace, key.Name))
	if err != nil || svc != nil {
		return d, err
	}
	left, err := view.Get(key)
	if err != nil || left == nil {
		return d, err
	}
	uid := left.GetUID()
	d.Do("ServiceGone", events.Delete{Key: key, Options: metav1.DeleteOptions{
		Preconditions: &metav1.Preconditions{UID: &uid},
	}})
	return d, nil
}
