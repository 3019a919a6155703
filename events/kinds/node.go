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

func nodeKind() *events.Kind {
	return &events.Kind{
		GVK:        corev1.SchemeGroupVersion.WithKind("Node"),
		Resource:   resource(corev1.SchemeGroupVersion, "nodes"),
		Singular:   "node",
		ShortNames: []string{"no"},
		Namespaced: false,
		Stream:     proto.StreamEvents,
		New:        func() events.Object { return &corev1.Node{} },
		NewList:    func() runtime.Object { return &corev1.NodeList{} },
		HasStatus:  true,
		Name:       apivalidation.NameIsDNSSubdomain,
		Columns:    []metav1.TableColumnDefinition{nameColumn, ageColumn},
		Row:        row(nodeRow),
	}
}

func nodeRow(obj *corev1.Node, now time.Time) []any {
	return []any{obj.Name, age(obj.CreationTimestamp, now)}
}
