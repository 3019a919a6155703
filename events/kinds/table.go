package kinds

import (
	"segno/events"
)

// Table builds the table of every kind that segno serves. A new kind is one
// function of its own file and one line here.
func Table() *events.Table {
	all := []*events.Kind{
		namespaceKind(), nodeKind(), podKind(), configMapKind(), secretKind(),
		serviceKind(), endpointsKind(), eventKind(), serviceAccountKind(),
		deploymentKind(), replicaSetKind(), endpointSliceKind(), leaseKind(),
		networkPolicyKind(), ingressKind(), ingressClassKind(),
	}
	for i, kind := range all {
		all[i] = namingMeta(kind)
	}
	return events.NewTable(all...)
}
