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

func deploymentKind() *events.Kind {
	return &events.Kind{
		GVK:        appsv1.SchemeGroupVersion.WithKind("Deployment"),
		Resource:   resource(appsv1.SchemeGroupVersion, "deployments"),
		Singular:   "deployment",
		ShortNames: []string{"deploy"},
		Namespaced: true,
		Stream:     proto.StreamEvents,
		New:        func() events.Object { return &appsv1.Deployment{} },
		NewList:    func() runtime.Object { return &appsv1.DeploymentList{} },
		HasStatus:  true,
		Name:       apivalidation.NameIsDNSSubdomain,
		Columns:    []metav1.TableColumnDefinition{nameColumn, ageColumn},
		Row:        row(deploymentRow),
	}
}

func deploymentRow(obj *appsv1.Deployment, now time.Time) []any {
	return []any{obj.Name, age(obj.CreationTimestamp, now)}
}
