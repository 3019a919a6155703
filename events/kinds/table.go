package kinds

import (
	"segno/events"
)

// Table builds the table of every kind that segno serves.
func Table() *events.Table {
	all := []*events.Kind{
		namespaceKind(), nodeKind(), podKind(), configMapKind(), secretKind(),
		serviceKind(), endpointsKind(), eventKind(), serviceAccountKind(),
		deploymentKind(), replicaSetKind(), endpointSliceKind(), leaseKind(),
	}
	for _, kind := range all {
		withMeta(kind)
	}
	return events.NewTable(all...)
}
