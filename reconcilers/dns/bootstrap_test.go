package dns_test

import (
	"context"
	"net/netip"
	"testing"
	"testing/synctest"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"segno/events"
	"segno/reconcilers"
	"segno/reconcilers/dns"
	"segno/reconcilers/internal/world"
)

func TestS7TheServiceOfTheDNSIsMadeOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := world.New()
		w.Create(t, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "kube-system"}})
		for _, missing := range []int{1, 0} {
			creations, err := dns.Bootstrap(w.View(), netip.MustParseAddr("10.96.0.10"))
			if err != nil || len(creations) != missing {
				t.Fatalf("with %d missing: makes %d, %v", missing, len(creations), err)
			}
			if missing > 0 {
				if _, err := w.Submit(context.Background(), events.Command{Actor: "system:bootstrap", Action: creations}); err != nil {
					t.Fatal(err)
				}
			}
		}
		made, found, err := events.GetAs[*corev1.Service](w.View(), reconcilers.Services.Key("kube-system", "kube-dns"))
		if err != nil || !found || made.Spec.ClusterIP != "10.96.0.10" || len(made.Spec.Ports) != 2 || len(made.Spec.Selector) != 0 {
			t.Errorf("%+v, %v", made, err)
		}
	})
}
