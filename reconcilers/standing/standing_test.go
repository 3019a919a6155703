package standing_test

import (
	"fmt"
	"net/netip"
	"testing"
	"testing/synctest"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"segno/events/kinds"
	"segno/reconcilers"
	"segno/reconcilers/endpoints"
	"segno/reconcilers/garbage"
	"segno/reconcilers/internal/world"
	"segno/reconcilers/standing"
)

// TestS7StandingScripts: the Services of every cluster come back at once, at their
// addresses, and lead to where they led.
func TestS7StandingScripts(t *testing.T) {
	world.Run(t, "*.txtar", func() []reconcilers.Reconciler {
		return []reconcilers.Reconciler{garbage.New(kinds.Table()), endpoints.New(), standing.New()}
	})
}

// TestS7WhoIsInTheWayIsSaid: Services of before the addresses were kept.
func TestS7WhoIsInTheWayIsSaid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := world.New()
		w.Create(t, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "default"}})
		ranges := kinds.ServiceRanges{Networks: []netip.Prefix{netip.MustParsePrefix("10.96.7.0/24")}}
		said := func() string {
			out, err := standing.InTheWay(w.View(), ranges)
			if err != nil {
				t.Fatal(err)
			}
			return fmt.Sprint(out)
		}
		if got := said(); got != "[]" {
			t.Error(got)
		}
		w.Create(t, &corev1.Service{
			ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "mine"}, Spec: corev1.ServiceSpec{ClusterIP: "10.96.7.1", Ports: []corev1.ServicePort{{Port: 80}}},
		})
		const want = "[the Service default/mine, at [10.96.7.1], keeps the cluster's API from being found by the Service default/kubernetes at 10.96.7.1: delete it, and that one is made]"
		if got := said(); got != want {
			t.Error(got)
		}
	})
}
