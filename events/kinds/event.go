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

func eventKind() *events.Kind {
	return &events.Kind{
		GVK:        corev1.SchemeGroupVersion.WithKind("Event"),
		Resource:   resource(corev1.SchemeGroupVersion, "events"),
		Singular:   "event",
		ShortNames: []string{"ev"},
		Namespaced: true,
		Stream:     proto.StreamNotes,
		New:        func() events.Object { return &corev1.Event{} },
		NewList:    func() runtime.Object { return &corev1.EventList{} },
		HasStatus:  false,
		Name:       apivalidation.NameIsDNSSubdomain,
		Columns:    []metav1.TableColumnDefinition{nameColumn, ageColumn},
		Row:        row(eventRow),
	}
}

func eventRow(obj *corev1.Event, now time.Time) []any {
	return []any{obj.Name, age(obj.CreationTimestamp, now)}
}
