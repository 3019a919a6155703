package cluster

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"segno/agents/proxy"
	"segno/events"
	"segno/proto"
)

const benchNodes = 100

// BenchmarkChangeToAllNodes changes one EndpointSlice over and over, on a cluster
// with 100 simulated nodes and a log on disk, beside 1000 Services of five
// endpoints each if asked, and measures from before the change is submitted
// until each node's catalog has it, and until its data plane was told and did it.
// The planner of each node is real; the plane is nftables in a network namespace
// on the first node (which needs root), and does nothing on the others.
func BenchmarkChangeToAllNodes(b *testing.B) {
	for _, services := range []int{0, 1000} {
		b.Run(fmt.Sprintf("Services=%d", services), func(b *testing.B) { changeToAllNodes(b, services) })
	}
}

func changeToAllNodes(b *testing.B, services int) {
	ctx, cancel := context.WithCancel(b.Context())
	ready := make(chan struct{})
	c, err := New(Config{
		DataDir: b.TempDir(), Runtime: RuntimeSimulated, Nodes: benchNodes, Listen: "127.0.0.1:0", BusListen: "127.0.0.1:0",
		Ready: func(Info) { close(ready) },
	})
	if err != nil {
		b.Fatal(err)
	}
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel()
	running.Go(func() {
		if err := c.Run(ctx); err != nil {
			b.Error(err)
		}
	})
	<-ready
	f := &feedBench{B: b, c: c, known: make(chan heard, 10*benchNodes), told: make(chan heard, 10*benchNodes)}
	before := inUse()
	f.fill(services)
	filled := inUse()
	f.service("probe")
	f.slice = f.create("probe", "10.244.0.9")
	for i, n := range c.nodes {
		running.Go(func() { f.follow(ctx, i, n) })
		plane := proxy.Plane(nothing{})
		if i == 0 {
			plane = newSecluded(b)
		}
		follower, err := proxy.New(proxy.Config{
			Catalog: &n.catalog, Plane: &ear{plane, i, f.told},
			Node: func() proxy.Node { return proxy.Node{Name: string(n.name)} },
		})
		if err != nil {
			b.Fatal(err)
		}
		running.Go(func() { _ = follower.Run(ctx) })
	}
	f.await(f.known, "10.244.0.9")
	f.await(f.told, "10.244.0.9")
	planned := inUse()
	for round := 0; b.Loop(); round++ {
		f.change("10.244.0." + strconv.Itoa(round%8+1))
	}
	b.ReportMetric(float64(filled-before)/1e6, "catalogs-MB")
	b.ReportMetric(float64(planned-filled)/1e6, "planners-MB")
	f.report("catalogs", f.catalogs)
	f.report("planes", f.planes)
	f.report("nftables", f.real)
}

// feedBench is a cluster that is measured.
type feedBench struct {
	*testing.B
	c     *Cluster
	slice *discoveryv1.EndpointSlice
	known chan heard // by catalogs
	told  chan heard // by planes

	catalogs, planes, real []time.Duration
}

// heard is what a node was told of the Service probe.
type heard struct {
	node int
	at   time.Time
	to   string // the backend
}

// follow says what a node's catalog has.
func (f *feedBench) follow(ctx context.Context, i int, n *node) {
	follower := n.catalog.Follow()
	defer follower.Close()
	for last := ""; ; {
		if now := n.probe(); now != last {
			last = now
			select {
			case f.known <- heard{i, time.Now(), now}:
			case <-ctx.Done():
				return
			}
		}
		if _, err := follower.Next(ctx); err != nil {
			return
		}
	}
}

// service makes a Service of one port.
func (f *feedBench) service(name string) {
	f.submit(events.Create{Key: proto.Resource{Name: "services"}.Key("default", name), UID: types.UID(name), Object: &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name},
		Spec:       corev1.ServiceSpec{Ports: []corev1.ServicePort{{Port: 80, Protocol: corev1.ProtocolTCP}}},
	}})
}

func sliceKey(name string) proto.ObjectKey {
	return proto.Resource{Group: discoveryv1.GroupName, Name: "endpointslices"}.Key("default", name)
}

// create makes the slice of a Service.
func (f *feedBench) create(service string, addresses ...string) *discoveryv1.EndpointSlice {
	name, port, protocol := "", int32(8080), corev1.ProtocolTCP
	slice := &discoveryv1.EndpointSlice{
		ObjectMeta:  metav1.ObjectMeta{Namespace: "default", Name: service, Labels: map[string]string{discoveryv1.LabelServiceName: service}},
		AddressType: discoveryv1.AddressTypeIPv4,
		Ports:       []discoveryv1.EndpointPort{{Name: &name, Port: &port, Protocol: &protocol}},
	}
	for _, a := range addresses {
		slice.Endpoints = append(slice.Endpoints, discoveryv1.Endpoint{Addresses: []string{a}})
	}
	f.submit(events.Create{Key: sliceKey(service), Object: slice, UID: types.UID(service)})
	return slice
}

func (f *feedBench) submit(action events.Action) {
	if _, err := f.c.Submit(f.Context(), events.Command{Actor: "user:bench", Action: action}); err != nil {
		f.Error(err)
	}
}

// fill makes that many Services, and waits until every node has them.
func (f *feedBench) fill(services int) {
	var writers sync.WaitGroup
	next := make(chan int)
	for range 32 {
		writers.Go(func() {
			for i := range next {
				name := fmt.Sprintf("s%05d", i)
				f.service(name)
				var addresses []string
				for k := range 5 {
					addresses = append(addresses, fmt.Sprintf("10.%d.%d.%d", 200+k, i>>8, i&255))
				}
				f.create(name, addresses...)
			}
		})
	}
	for i := range services {
		next <- i
	}
	close(next)
	writers.Wait()
	for _, n := range f.c.nodes {
		follower := n.catalog.Follow()
		for len(n.catalog.Names()) < services {
			if _, err := follower.Next(f.Context()); err != nil {
				f.Fatal(err)
			}
		}
		follower.Close()
	}
}

// change gives the Service another backend, and waits until it is everywhere.
func (f *feedBench) change(to string) {
	f.slice.Endpoints[0].Addresses = []string{to}
	began := time.Now()
	f.submit(events.Update{Key: sliceKey("probe"), Object: f.slice})
	for _, h := range f.await(f.known, to) {
		f.catalogs = append(f.catalogs, h.at.Sub(began))
	}
	for _, h := range f.await(f.told, to) {
		f.planes = append(f.planes, h.at.Sub(began))
		if h.node == 0 {
			f.real = append(f.real, h.at.Sub(began))
		}
	}
}

// await answers when each node had the Service's backend there.
func (f *feedBench) await(from <-chan heard, to string) (all []heard) {
	for len(all) < benchNodes {
		select {
		case h := <-from:
			if h.to == to {
				all = append(all, h)
			}
		case <-time.After(5 * time.Minute):
			f.Fatalf("%d of %d nodes know of %s", len(all), benchNodes, to)
		}
	}
	return all
}

func (f *feedBench) report(what string, took []time.Duration) {
	if len(took) == 0 {
		return
	}
	slices.Sort(took)
	for name, d := range map[string]time.Duration{"p50": took[len(took)/2], "p99": took[len(took)*99/100], "max": took[len(took)-1]} {
		f.ReportMetric(float64(d.Microseconds())/1000, what+"-"+name+"-ms")
	}
}

// inUse is what this process has on its heap and stacks.
func inUse() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}

// probe answers the backend of the Service in the node's catalog.
func (n *node) probe() string {
	s, _ := n.catalog.Get(types.NamespacedName{Namespace: "default", Name: "probe"})
	for _, slice := range s.Slices {
		return slice.Endpoints[0].Addresses[0]
	}
	return ""
}
