// Package standing keeps the Services that every cluster has: that of its API and
// that of its DNS.
//
// What comes in: those Services, the Endpoints of the API's, and Services that hold
// an address that is kept for them. What goes out: what makes them again at once
// when somebody has deleted them; InTheWay says who keeps them from being made.
//
// What never happens here: a change of a Service that is there, of whatever kind
// somebody made it; where the API is, but from the log.
//
// All of it is in this file; packages apiservice and dns say what the Services are.
package standing

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"segno/events"
	"segno/events/kinds"
	"segno/reconcilers"
	"segno/reconcilers/apiservice"
	"segno/reconcilers/dns"
	"segno/reconcilers/internal/holder"
)

// one is a Service that every cluster has.
type one struct {
	what    string
	name    types.NamespacedName
	address func(kinds.ServiceRanges) netip.Addr
	lacking func(view events.View, address netip.Addr) (events.Batch, error)
}

func (o one) key() reconcilers.Key { return reconcilers.Services.Key(o.name.Namespace, o.name.Name) }

func (o one) is(key reconcilers.Key) bool {
	return key.Namespace == o.name.Namespace && key.Name == o.name.Name
}

var all = []one{
	{what: "API", name: kinds.APIService, address: kinds.ServiceRanges.API, lacking: apiservice.Restore},
	{what: "DNS", name: kinds.DNSService, address: kinds.ServiceRanges.DNS, lacking: dns.Bootstrap},
}

// Reconciler implements reconcilers.Reconciler. Its keys are the Services that
// every cluster has.
type Reconciler struct{}

var _ reconcilers.Reconciler = Reconciler{}

// New makes the reconciler.
func New() Reconciler { return Reconciler{} }

// Name is "standing".
func (Reconciler) Name() string { return "standing" }

// Watches says what matters: the Services, who gives up an address of theirs, the
// API's Endpoints, and the namespaces that they are in and that say which addresses
// there are.
func (Reconciler) Watches() []reconcilers.Watch {
	return []reconcilers.Watch{
		{Resource: reconcilers.Services, Keys: keysOfService},
		{Resource: reconcilers.Endpoints, Keys: keysOfEndpoints},
		{Resource: reconcilers.Namespaces, Keys: keysOfNamespace},
	}
}

func keysOfService(view events.View, change *reconcilers.Change) (keys []reconcilers.Key, err error) {
	if !change.Significant() {
		return nil, nil
	}
	for _, o := range all {
		if o.is(change.Key) {
			return []reconcilers.Key{o.key()}, nil
		}
	}
	before, after := reconcilers.Both[*corev1.Service](change)
	if before == nil || after != nil && slices.Equal(before.Spec.ClusterIPs, after.Spec.ClusterIPs) {
		return nil, nil
	}
	ranges, _, err := kinds.RangesOfServices(view)
	for _, o := range all {
		if slices.Contains(before.Spec.ClusterIPs, o.address(ranges).String()) {
			keys = append(keys, o.key())
		}
	}
	return keys, err
}

func keysOfEndpoints(_ events.View, change *reconcilers.Change) ([]reconcilers.Key, error) {
	if change.Key.Namespace != kinds.APIService.Namespace || change.Key.Name != kinds.APIService.Name {
		return nil, nil
	}
	return []reconcilers.Key{reconcilers.Services.Key(change.Key.Namespace, change.Key.Name)}, nil
}

func keysOfNamespace(_ events.View, change *reconcilers.Change) (keys []reconcilers.Key, err error) {
	for _, o := range all {
		if change.Key.Name == kinds.DNSService.Namespace || change.Key.Name == o.name.Namespace {
			keys = append(keys, o.key())
		}
	}
	return keys, nil
}

// Reconcile makes one of the Services again. Before a cluster's first start has
// written down which addresses there are, none stands.
func (Reconciler) Reconcile(view events.View, key reconcilers.Key, _ time.Time) (d reconcilers.Decision, err error) {
	ranges, set, err := kinds.RangesOfServices(view)
	if err != nil || !set {
		return d, err
	}
	for _, o := range all {
		if !o.is(key) {
			continue
		}
		lacking, err := o.lacking(view, o.address(ranges))
		if err != nil {
			return d, err
		}
		d.Do("Restored", lacking...)
	}
	return d, nil
}

// InTheWay says for people which Services keep those of every cluster from being
// made.
func InTheWay(view events.View, ranges kinds.ServiceRanges) (out []string, err error) {
	for _, o := range all {
		_, rival, err := holder.Find(view, o.name, o.address(ranges))
		if err != nil {
			return nil, err
		}
		if rival != nil {
			out = append(out, fmt.Sprintf("the Service %s/%s, at %v, keeps the cluster's %s from being found by the Service %s at %s: delete it, and that one is made",
				rival.Namespace, rival.Name, rival.Spec.ClusterIPs, o.what, o.name, o.address(ranges)))
		}
	}
	return out, nil
}
