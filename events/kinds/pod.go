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

func podKind() *events.Kind {
	return &events.Kind{
		GVK:        corev1.SchemeGroupVersion.WithKind("Pod"),
		Resource:   resource(corev1.SchemeGroupVersion, "pods"),
		Singular:   "pod",
		ShortNames: []string{"po"},
		Namespaced: true,
		Stream:     proto.StreamEvents,
		New:        func() events.Object { return &corev1.Pod{} },
		NewList:    func() runtime.Object { return &corev1.PodList{} },
		HasStatus:  true,
		Name:       apivalidation.NameIsDNSSubdomain,
		Columns:    []metav1.TableColumnDefinition{nameColumn, ageColumn},
		Row:        row(podRow),
	}
}

func podRow(obj *corev1.Pod, now time.Time) []any {
	return []any{obj.Name, age(obj.CreationTimestamp, now)}
}
