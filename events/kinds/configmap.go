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

func configMapKind() *events.Kind {
	return &events.Kind{
		GVK:        corev1.SchemeGroupVersion.WithKind("ConfigMap"),
		Resource:   resource(corev1.SchemeGroupVersion, "configmaps"),
		Singular:   "configmap",
		ShortNames: []string{"cm"},
		Namespaced: true,
		Stream:     proto.StreamEvents,
		New:        func() events.Object { return &corev1.ConfigMap{} },
		NewList:    func() runtime.Object { return &corev1.ConfigMapList{} },
		HasStatus:  false,
		Name:       apivalidation.NameIsDNSSubdomain,
		Columns:    []metav1.TableColumnDefinition{nameColumn, ageColumn},
		Row:        row(configMapRow),
	}
}

func configMapRow(obj *corev1.ConfigMap, now time.Time) []any {
	return []any{obj.Name, age(obj.CreationTimestamp, now)}
}
