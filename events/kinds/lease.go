package kinds

import (
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"segno/events"
	"segno/proto"
)

func leaseKind() *events.Kind {
	return &events.Kind{
		GVK:        coordinationv1.SchemeGroupVersion.WithKind("Lease"),
		Resource:   resource(coordinationv1.SchemeGroupVersion, "leases"),
		Singular:   "lease",
		ShortNames: []string{},
		Namespaced: true,
		Stream:     proto.StreamLeases,
		New:        func() events.Object { return &coordinationv1.Lease{} },
		NewList:    func() runtime.Object { return &coordinationv1.LeaseList{} },
		HasStatus:  false,
		Name:       apivalidation.NameIsDNSSubdomain,
		Columns:    []metav1.TableColumnDefinition{nameColumn, ageColumn},
		Row:        row(leaseRow),
	}
}

func leaseRow(obj *coordinationv1.Lease, now time.Time) []any {
	return []any{obj.Name, age(obj.CreationTimestamp, now)}
}
