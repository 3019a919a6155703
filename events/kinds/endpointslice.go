package kinds

import (
	"time"

	discoveryv1 "k8s.io/api/discovery/v1"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"segno/events"
	"segno/proto"
)

func endpointSliceKind() *events.Kind {
	return &events.Kind{
		GVK:        discoveryv1.SchemeGroupVersion.WithKind("EndpointSlice"),
		Resource:   resource(discoveryv1.SchemeGroupVersion, "endpointslices"),
		Singular:   "endpointslice",
		ShortNames: []string{},
		Namespaced: true,
		Stream:     proto.StreamEvents,
		New:        func() events.Object { return &discoveryv1.EndpointSlice{} },
		NewList:    func() runtime.Object { return &discoveryv1.EndpointSliceList{} },
		HasStatus:  false,
		Name:       apivalidation.NameIsDNSSubdomain,
		Columns:    []metav1.TableColumnDefinition{nameColumn, ageColumn},
		Row:        row(endpointSliceRow),
	}
}

func endpointSliceRow(obj *discoveryv1.EndpointSlice, now time.Time) []any {
	return []any{obj.Name, age(obj.CreationTimestamp, now)}
}
