package loadbalancer

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"segno/events"
	"segno/events/kinds"
	"segno/proto"
	"segno/reconcilers"
)

// Reconciler implements reconcilers.Reconciler. Its keys are Services.
type Reconciler struct{}

var _ reconcilers.Reconciler = Reconciler{}

// New makes the reconciler.
func New() Reconciler { return Reconciler{} }

// Name is "loadbalancer".
func (Reconciler) Name() string { return "loadbalancer" }

// Watches says what matters: Services that have or want an address, the pool, and
// nodes that give addresses up.
func (Reconciler) Watches() []reconcilers.Watch {
	return []reconcilers.Watch{
		{Resource: reconcilers.Services, Keys: keysOfService},
		{Resource: reconcilers.ConfigMaps, Keys: keysOfPool},
		{Resource: reconcilers.Nodes, Keys: keysOfNode},
	}
}

// keysOfService leads to the Service, and from one that gives addresses back to
// those that wait for some.
func keysOfService(view events.View, change *reconcilers.Change) (keys []reconcilers.Key, err error) {
	before, after := reconcilers.Both[*corev1.Service](change)
	if after != nil && concerns(after) {
		keys = append(keys, change.Key)
	}
	if before == nil || !frees(before, after) {
		return keys, nil
	}
	waiting, err := servicesOf(view, waits)
	return append(keys, waiting...), err
}

// waits tells whether a Service lacks something.
func waits(s *corev1.Service) bool { return kinds.Balanced(s) && reasonOf(s) != reasonGiven }

// keysOfNode leads from a node that goes, or has other addresses or gateways than
// before, to the Services that wait for some.
func keysOfNode(view events.View, change *reconcilers.Change) ([]reconcilers.Key, error) {
	before, after := reconcilers.Both[*corev1.Node](change)
	if before == nil || after != nil && slices.Equal(addressesOf(before), addressesOf(after)) && slices.Equal(gatewaysOf(before), gatewaysOf(after)) {
		return nil, nil
	}
	return servicesOf(view, waits)
}

// keysOfPool leads from the pool to all Services that it may matter to.
func keysOfPool(view events.View, change *reconcilers.Change) ([]reconcilers.Key, error) {
	if change.Key.Namespace != kinds.PoolConfig.Namespace || change.Key.Name != kinds.PoolConfig.Name {
		return nil, nil
	}
	return servicesOf(view, concerns)
}

// concerns tells whether there is or was something to do for a Service.
func concerns(s *corev1.Service) bool { return kinds.Balanced(s) || condition(s) != nil }

// frees tells whether others can have an address now that this Service had.
func frees(before, after *corev1.Service) bool {
	had := held(before)
	if after == nil {
		return len(had) > 0
	}
	has := held(after)
	return slices.ContainsFunc(had, func(a netip.Addr) bool { return !slices.Contains(has, a) })
}

// held are addresses that nobody else can have because of a Service.
func held(s *corev1.Service) []netip.Addr {
	out := kinds.LoadBalancerAddresses(s)
	for _, text := range s.Spec.ExternalIPs {
		if address, err := netip.ParseAddr(text); err == nil {
			out = append(out, address.Unmap())
		}
	}
	return out
}

// servicesOf lists Services, the oldest first: who came first is served first.
func servicesOf(view events.View, which func(*corev1.Service) bool) ([]reconcilers.Key, error) {
	all, err := events.ListAs[*corev1.Service](view, events.Query{Resource: reconcilers.Services})
	if err != nil {
		return nil, fmt.Errorf("list services: %w", err)
	}
	all = slices.DeleteFunc(all, func(s *corev1.Service) bool { return !which(s) })
	made := map[types.UID]proto.Seq{} // tells those of one second apart
	keys := make([]reconcilers.Key, len(all))
	for _, s := range all {
		if made[s.UID], err = events.CreatedSeq(view, reconcilers.Services.Key(s.Namespace, s.Name)); err != nil {
			return nil, fmt.Errorf("when %s/%s was made: %w", s.Namespace, s.Name, err)
		}
	}
	slices.SortStableFunc(all, func(a, b *corev1.Service) int {
		return cmp.Or(a.CreationTimestamp.Compare(b.CreationTimestamp.Time), cmp.Compare(made[a.UID], made[b.UID]),
			cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
	for i, s := range all {
		keys[i] = reconcilers.Services.Key(s.Namespace, s.Name)
	}
	return keys, nil
}

// Reconcile gives one Service what it wants, or says why not.
func (Reconciler) Reconcile(view events.View, key reconcilers.Key, at time.Time) (d reconcilers.Decision, err error) {
	service, ok, err := events.GetAs[*corev1.Service](view, key)
	if err != nil || !ok || !concerns(service) {
		return d, err
	}
	if !kinds.Balanced(service) {
		return release(service), nil
	}
	if len(service.Status.LoadBalancer.Ingress) > 0 && !kinds.Addressed(service) {
		return d, nil // another load balancer's
	}
	c, err := choose(view, service)
	if err != nil {
		return d, fmt.Errorf("load balancer address of %s: %w", key, err)
	}
	return c.answer(at), nil
}

func reasonOf(s *corev1.Service) string {
	if c := condition(s); c != nil {
		return c.Reason
	}
	return ""
}
