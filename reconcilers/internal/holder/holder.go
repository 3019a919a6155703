// Package holder finds who has the address that is kept for a Service of the
// cluster's own.
//
// What comes in: the Services, a name and an address. What goes out: the Service of
// that name at that address, or who is in its way. What never happens here: a
// decision.
//
// All of it is in this file.
package holder

import (
	"fmt"
	"net/netip"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"segno/events"
	"segno/reconcilers"
)

// Find answers the Service of the name when it has the address; or else a rival:
// another Service at the address, or one of the name that has another. Both are nil
// where name and address are free.
func Find(view events.View, name types.NamespacedName, address netip.Addr) (own, rival *corev1.Service, err error) {
	all, err := events.ListAs[*corev1.Service](view, events.Query{Resource: reconcilers.Services})
	if err != nil {
		return nil, nil, fmt.Errorf("look for the Service %s: %w", name, err)
	}
	for _, service := range all {
		named := service.Namespace == name.Namespace && service.Name == name.Name
		placed := slices.Contains(service.Spec.ClusterIPs, address.String())
		switch {
		case named != placed:
			return nil, service, nil
		case named:
			own = service
		}
	}
	return own, nil, nil
}
