package ingress

import (
	"fmt"

	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"segno/events"
	"segno/events/kinds"
	"segno/reconcilers"
)

// Bootstrap answers what makes the class of Ingresses that nodes serve: nothing
// when there is one, whatever its name, or when another has the name.
func Bootstrap(view events.View) (events.Batch, error) {
	key := reconcilers.IngressClasses.Key("", kinds.IngressClass)
	all, err := events.ListAs[*networkingv1.IngressClass](view, events.Query{Resource: reconcilers.IngressClasses})
	if err != nil {
		return nil, fmt.Errorf("look for %s: %w", key, err)
	}
	for _, class := range all {
		if class.Spec.Controller == kinds.IngressController || class.Name == key.Name {
			return nil, nil
		}
	}
	class := &networkingv1.IngressClass{
		ObjectMeta: metav1.ObjectMeta{
			Name: key.Name, Annotations: map[string]string{networkingv1.AnnotationIsDefaultIngressClass: "true"},
		},
		Spec: networkingv1.IngressClassSpec{Controller: kinds.IngressController},
	}
	return events.Batch{events.Create{Key: key, Object: class, UID: reconcilers.UID("ingressclass", key.String(), view.Seq())}}, nil
}
