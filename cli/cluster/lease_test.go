package cluster

import (
	"fmt"
	"testing"

	"golang.org/x/sync/errgroup"
	coordinationv1 "k8s.io/api/coordination/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"segno/events"
	"segno/proto"
	"segno/reconcilers"
)

// lease makes a lease of a person, of nobody's node.
func (w *world) lease(name string) *coordinationv1.Lease {
	w.t.Helper()
	holder, seconds := "ada", int32(15)
	made, err := w.client.CoordinationV1().Leases(space).Create(w.ctx, &coordinationv1.Lease{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec:       coordinationv1.LeaseSpec{HolderIdentity: &holder, LeaseDurationSeconds: &seconds},
	}, metav1.CreateOptions{})
	if err != nil {
		w.t.Fatal(err)
	}
	return made
}

// sameLease wants the lease to be what it was.
func (w *world) sameLease(was *coordinationv1.Lease) {
	w.t.Helper()
	is, err := w.client.CoordinationV1().Leases(was.Namespace).Get(w.ctx, was.Name, metav1.GetOptions{})
	if err != nil {
		w.t.Fatal(err)
	}
	if !equality.Semantic.DeepEqual(is, was) {
		w.t.Errorf("the lease is\n%+v\nwant\n%+v", is, was)
	}
}

// renew renews leases of as many holders, each that many times.
func (w *world) renew(holders, times int) {
	w.t.Helper()
	var all errgroup.Group
	for holder := range holders {
		all.Go(func() error {
			key := reconcilers.Leases.Key(space, fmt.Sprintf("holder-%d", holder))
			for range times {
				now := metav1.NowMicro()
				lease := &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Name: key.Name, Namespace: space}, Spec: coordinationv1.LeaseSpec{RenewTime: &now}}
				_, err := w.cluster.Submit(w.ctx, events.Command{Actor: "user:ada", Action: events.Update{Key: key, Object: lease, CreateUID: "uid"}})
				if err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := all.Wait(); err != nil {
		w.t.Fatal(err)
	}
}

// TestE1ALeaseOutlivesItsHistory is on a real disk: renewals drop the history
// of the leases, but never a lease, and a restart finds them all.
func TestE1ALeaseOutlivesItsHistory(t *testing.T) {
	cfg := Config{DataDir: t.TempDir(), Listen: "127.0.0.1:0", Runtime: RuntimeSimulated, Nodes: 1}
	w, stop := newWorld(t, cfg)
	lease := w.lease("shop")
	for range 2 {
		w.renew(200, leaseWindow/100)
		stop()
		w, stop = newWorld(t, cfg)
		fold := w.cluster.ledgers[proto.StreamLeases].fold
		if kept := fold.Position().Seq - fold.First(); fold.First() == 1 || kept > leaseWindow*5/4 {
			t.Errorf("%s transactions are kept, from %s on", kept, fold.First())
		}
		w.sameLease(lease)
		w.verify()
	}
}
