package kinds

import (
	"time"

	corev1 "k8s.io/api/core/v1"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"segno/events"
	"segno/proto"
)

func endpointsKind() *events.Kind {
	return &events.Kind{
		GVK:        corev1.SchemeGroupVersion.WithKind("Endpoints"),
		Resource:   resource(corev1.SchemeGroupVersion, "endpoints"),
		Singular:   "endpoints",
		ShortNames: []string{"ep"},
		Namespaced: true,
		Stream:     proto.StreamEvents,
		New:        func() events.Object { return &corev1.Endpoints{} },
		NewList:    func() runtime.Object { return &corev1.EndpointsList{} },
		HasStatus:  false,
		Name:       apivalidation.NameIsDNSSubdomain,
		Columns:    []metav1.TableColumnDefinition{nameColumn, ageColumn},
		Row:        row(endpointsRow),
	}
}

func endpointsRow(obj *corev1.Endpoints, now time.Time) []any {
	return []any{obj.Name, age(obj.CreationTimestamp, now)}
}
