package cluster

import (
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// TestS7TheServicesOfEveryClusterComeBack: at once, at their addresses, in the
// cluster and in a fork of it.
func TestS7TheServicesOfEveryClusterComeBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, _ := newWorld(t, Config{Nodes: 1})
		fork, _ := w.forkNow("try")
		for name, in := range map[string]*world{"the cluster": w, "the fork": fork} {
			for _, at := range [][3]string{{"default", "kubernetes", "10.96.0.1"}, {"kube-system", "kube-dns", "10.96.0.10"}} {
				services := in.client.CoreV1().Services(at[0])
				before, err := services.Get(w.ctx, at[1], metav1.GetOptions{})
				if err != nil {
					t.Fatal(err)
				}
				if err := services.Delete(w.ctx, at[1], metav1.DeleteOptions{}); err != nil {
					t.Fatal(err)
				}
				w.within(2*time.Second, at[1]+" is there again in "+name, func() bool {
					again, err := services.Get(w.ctx, at[1], metav1.GetOptions{})
					return err == nil && again.UID != before.UID && again.Spec.ClusterIP == at[2]
				})
			}
			_, err := in.client.CoreV1().Services(space).Create(w.ctx, &corev1.Service{
				ObjectMeta: metav1.ObjectMeta{Name: "mine"}, Spec: corev1.ServiceSpec{ClusterIP: "10.96.0.1", Ports: []corev1.ServicePort{{Port: 80}}},
			}, metav1.CreateOptions{})
			if err == nil {
				t.Errorf("%s: another Service has the API's address", name)
			}
		}
	})
}
