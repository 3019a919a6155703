package ingress_test

import (
	"context"
	"testing"
	"testing/synctest"

	networkingv1 "k8s.io/api/networking/v1"

	"segno/events"
	"segno/reconcilers"
	"segno/reconcilers/ingress"
	"segno/reconcilers/internal/world"
)

func TestS9TheClassIsMadeOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := world.New()
		for _, missing := range []int{1, 0} {
			creations, err := ingress.Bootstrap(w.View())
			if err != nil || len(creations) != missing {
				t.Fatalf("with %d missing: makes %d, %v", missing, len(creations), err)
			}
			if missing > 0 {
				if _, err := w.Submit(context.Background(), events.Command{Actor: "system:bootstrap", Action: creations}); err != nil {
					t.Fatal(err)
				}
			}
		}
		made, found, err := events.GetAs[*networkingv1.IngressClass](w.View(), reconcilers.IngressClasses.Key("", "segno"))
		if err != nil || !found || made.Annotations[networkingv1.AnnotationIsDefaultIngressClass] != "true" || made.Spec.Controller != "segno.io/ingress" {
			t.Errorf("%+v, %v", made, err)
		}
	})
}
