package kinds

import (
	"time"

	appsv1 "k8s.io/api/apps/v1"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"segno/events"
	"segno/proto"
)

func replicaSetKind() *events.Kind {
	return &events.Kind{
		GVK:        appsv1.SchemeGroupVersion.WithKind("ReplicaSet"),
		Resource:   resource(appsv1.SchemeGroupVersion, "replicasets"),
		Singular:   "replicaset",
		ShortNames: []string{"rs"},
		Namespaced: true,
		Stream:     proto.StreamEvents,
		New:        func() events.Object { return &appsv1.ReplicaSet{} },
		NewList:    func() runtime.Object { return &appsv1.ReplicaSetList{} },
		HasStatus:  true,
		Name:       apivalidation.NameIsDNSSubdomain,
		Columns:    []metav1.TableColumnDefinition{nameColumn, ageColumn},
		Row:        row(replicaSetRow),
	}
}

func replicaSetRow(obj *appsv1.ReplicaSet, now time.Time) []any {
	return []any{obj.Name, age(obj.CreationTimestamp, now)}
}
