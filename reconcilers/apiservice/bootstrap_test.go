package apiservice_test

import (
	"context"
	"net/netip"
	"testing"
	"testing/synctest"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"segno/events"
	"segno/reconcilers"
	"segno/reconcilers/apiservice"
	"segno/reconcilers/internal/world"
)

// TestS7TheAPIsServiceLeadsToWhereTheAPIIs, over starts at other addresses, and
// nothing is done twice.
func TestS7TheAPIsServiceLeadsToWhereTheAPIIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := world.New()
		w.Create(t, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "default"}})
		for _, c := range []struct {
			at      string
			actions int
			leads   string
		}{
			{"", 1, ""},
			{"", 0, ""},
			{"192.0.2.1:6443", 2, "192.0.2.1:6443"},
			{"192.0.2.1:6443", 0, "192.0.2.1:6443"},
			{"192.0.2.2:7443", 2, "192.0.2.2:7443"},
			{"", 2, ""},
		} {
			var at netip.AddrPort
			if c.at != "" {
				at = netip.MustParseAddrPort(c.at)
			}
			lacking, err := apiservice.Bootstrap(w.View(), netip.MustParseAddr("10.96.0.1"), at)
			if err != nil || len(lacking) != c.actions {
				t.Fatalf("at %q: does %d, want %d, %v", c.at, len(lacking), c.actions, err)
			}
			if len(lacking) > 0 {
				if _, err := w.Submit(context.Background(), events.Command{Actor: "system:bootstrap", Action: lacking}); err != nil {
					t.Fatal(err)
				}
			}
			if leads := leadsTo(t, w.View()); leads != c.leads {
				t.Errorf("at %q: leads to %q", c.at, leads)
			}
		}
		made, found, err := events.GetAs[*corev1.Service](w.View(), reconcilers.Services.Key("default", "kubernetes"))
		if err != nil || !found || made.Spec.ClusterIP != "10.96.0.1" || made.Spec.Ports[0].Port != 443 {
			t.Errorf("%+v, %v", made, err)
		}
	})
}

// TestS7WhoseTheAPIsPlaceIsKeepsIt: a cluster of before may have given it away.
func TestS7WhoseTheAPIsPlaceIsKeepsIt(t *testing.T) {
	for name, service := range map[string]*corev1.Service{
		"the address": {ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "mine"}, Spec: corev1.ServiceSpec{ClusterIP: "10.96.0.5", Ports: []corev1.ServicePort{{Port: 80}}}},
		"the name":    {ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "kubernetes"}, Spec: corev1.ServiceSpec{ClusterIP: "10.96.7.7", Ports: []corev1.ServicePort{{Port: 80}}}},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := world.New()
			w.Create(t, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "default"}})
			w.Create(t, service)
			place := netip.MustParseAddr("10.96.0.5") // as if it were the first: that is given to nobody
			lacking, err := apiservice.Bootstrap(w.View(), place, netip.MustParseAddrPort("192.0.2.1:6443"))
			if err != nil || len(lacking) != 0 {
				t.Errorf("%s: does %v, %v", name, lacking, err)
			}
			if lacking, err = apiservice.Restore(w.View(), place); err != nil || len(lacking) != 0 {
				t.Errorf("%s: restores %v, %v", name, lacking, err)
			}
		})
	}
}

func leadsTo(t *testing.T, view events.View) string {
	t.Helper()
	have, found, err := events.GetAs[*corev1.Endpoints](view, reconcilers.Endpoints.Key("default", "kubernetes"))
	if err != nil {
		t.Fatal(err)
	}
	if !found {
		return ""
	}
	address, port := have.Subsets[0].Addresses[0].IP, have.Subsets[0].Ports[0].Port
	return netip.AddrPortFrom(netip.MustParseAddr(address), uint16(port)).String()
}
