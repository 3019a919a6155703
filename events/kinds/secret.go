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

func secretKind() *events.Kind {
	return &events.Kind{
		GVK:        corev1.SchemeGroupVersion.WithKind("Secret"),
		Resource:   resource(corev1.SchemeGroupVersion, "secrets"),
		Singular:   "secret",
		ShortNames: []string{},
		Namespaced: true,
		Stream:     proto.StreamEvents,
		New:        func() events.Object { return &corev1.Secret{} },
		NewList:    func() runtime.Object { return &corev1.SecretList{} },
		HasStatus:  false,
		Name:       apivalidation.NameIsDNSSubdomain,
		Columns:    []metav1.TableColumnDefinition{nameColumn, ageColumn},
		Row:        row(secretRow),
	}
}

func secretRow(obj *corev1.Secret, now time.Time) []any {
	return []any{obj.Name, age(obj.CreationTimestamp, now)}
}
