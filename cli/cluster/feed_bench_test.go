package cluster

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"segno/events"
	"segno/proto"
)

// BenchmarkChangeToAllNodes changes one EndpointSlice over and over, on a cluster
// with 100 simulated nodes and a log on disk, and measures from before the change
// is submitted until each node's catalog has it.
func BenchmarkChangeToAllNodes(b *testing.B) {
	const nodes = 100
	ctx, cancel := context.WithCancel(b.Context())
	ready := make(chan struct{})
	c, err := New(Config{
		DataDir: b.TempDir(), Runtime: RuntimeSimulated, Nodes: nodes, Listen: "127.0.0.1:0", BusListen: "127.0.0.1:0",
		Ready: func(Info) { close(ready) },
	})
	if err != nil {
		b.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx) }()
	defer func() {
		cancel()
		if err := <-done; err != nil {
			b.Error(err)
		}
	}()
	<-ready
	key := proto.Resource{Group: discoveryv1.GroupName, Name: "endpointslices"}.Key("kube-system", "probe")
	slice := &discoveryv1.EndpointSlice{
		ObjectMeta:  metav1.ObjectMeta{Namespace: "kube-system", Name: "probe", Labels: map[string]string{discoveryv1.LabelServiceName: "kube-dns"}},
		AddressType: discoveryv1.AddressTypeIPv4,
	}
	submit := func(action events.Action) {
		b.Helper()
		if _, err := c.Submit(ctx, events.Command{Actor: "user:bench", Action: action}); err != nil {
			b.Fatal(err)
		}
	}
	submit(events.Create{Key: key, Object: slice, UID: "probe"})
	var took []time.Duration
	for round := byte(0); b.Loop(); round++ {
		slice.Endpoints = []discoveryv1.Endpoint{{Addresses: []string{"10.244.0." + string('0'+rune(round%10))}}}
		want := slice.Endpoints[0].Addresses[0]
		began := time.Now()
		var mu sync.Mutex
		var waiting sync.WaitGroup
		for _, n := range c.nodes {
			follower := n.catalog.Follow()
			waiting.Go(func() {
				defer follower.Close()
				for !n.has("kube-dns", want) {
					if _, err := follower.Next(ctx); err != nil {
						return
					}
				}
				mu.Lock()
				defer mu.Unlock()
				took = append(took, time.Since(began))
			})
		}
		submit(events.Update{Key: key, Object: slice})
		waiting.Wait()
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "p50-ms")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
	b.ReportMetric(float64(took[len(took)-1].Microseconds())/1000, "max-ms")
}

// has tells whether the node's catalog has an endpoint of that address.
func (n *node) has(service, address string) bool {
	s, _ := n.catalog.Get(types.NamespacedName{Namespace: "kube-system", Name: service})
	return slices.ContainsFunc(s.Slices, func(e *discoveryv1.EndpointSlice) bool {
		return e.Name == "probe" && len(e.Endpoints) > 0 && e.Endpoints[0].Addresses[0] == address
	})
}
