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

func serviceKind() *events.Kind {
	return &events.Kind{
		GVK:        corev1.SchemeGroupVersion.WithKind("Service"),
		Resource:   resource(corev1.SchemeGroupVersion, "services"),
		Singular:   "service",
		ShortNames: []string{"svc"},
		Namespaced: true,
		Stream:     proto.StreamEvents,
		New:        func() events.Object { return &corev1.Service{} },
		NewList:    func() runtime.Object { return &corev1.ServiceList{} },
		HasStatus:  true,
		Name:       apivalidation.NameIsDNS1035Label,
		Columns:    []metav1.TableColumnDefinition{nameColumn, ageColumn},
		Row:        row(serviceRow),
	}
}

func serviceRow(obj *corev1.Service, now time.Time) []any {
	return []any{obj.Name, age(obj.CreationTimestamp, now)}
}
