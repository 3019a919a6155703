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

func namespaceKind() *events.Kind {
	return &events.Kind{
		GVK:        corev1.SchemeGroupVersion.WithKind("Namespace"),
		Resource:   resource(corev1.SchemeGroupVersion, "namespaces"),
		Singular:   "namespace",
		ShortNames: []string{"ns"},
		Namespaced: false,
		Stream:     proto.StreamEvents,
		New:        func() events.Object { return &corev1.Namespace{} },
		NewList:    func() runtime.Object { return &corev1.NamespaceList{} },
		HasStatus:  true,
		Name:       apivalidation.NameIsDNSLabel,
		Columns:    []metav1.TableColumnDefinition{nameColumn, ageColumn},
		Row:        row(namespaceRow),
	}
}

func namespaceRow(obj *corev1.Namespace, now time.Time) []any {
	return []any{obj.Name, age(obj.CreationTimestamp, now)}
}
