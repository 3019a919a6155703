package agents_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"segno/agents"
	"segno/agents/catalog"
	"segno/agents/network"
	"segno/agents/runtime/simulated"
	"segno/proto"
)

// sharedPlane is a control plane in memory, as far as it tells all nodes
// something.
type sharedPlane struct {
	mu      sync.Mutex
	objects map[string]proto.WantPod
	counter uint64
	seq     proto.Seq
	relay   chan proto.Want
	syncs   int
	down    bool
}

func (p *sharedPlane) Wants(ctx context.Context) (<-chan proto.Want, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.down {
		return nil, errPlaneDown
	}
	relay := make(chan proto.Want, 100)
	p.relay = relay
	context.AfterFunc(ctx, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.relay == relay {
			p.relay = nil
		}
		close(relay)
	})
	return relay, nil
}

func (p *sharedPlane) Sync(context.Context) (proto.Want, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.down {
		return proto.Want{}, errPlaneDown
	}
	p.syncs++
	all := proto.Want{Counter: p.counter, Full: true, Seq: p.seq}
	for _, object := range p.objects {
		all.Pods = append(all.Pods, object)
	}
	return all, nil
}

// set changes a Service, and tells unless the message is lost.
func (p *sharedPlane) set(t *testing.T, name, ip string, lost bool) {
	t.Helper()
	service := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name}, Spec: corev1.ServiceSpec{ClusterIP: ip}}
	body, err := service.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.seq++
	p.counter++
	object := proto.WantPod{Key: catalog.Services.Key("default", name), Seq: p.seq, Body: body}
	p.objects[name] = object
	if !lost && p.relay != nil {
		p.relay <- proto.Want{Counter: p.counter, Pods: []proto.WantPod{object}}
	}
}

func (p *sharedPlane) end(name string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.seq++
	p.counter++
	delete(p.objects, name)
	p.relay <- proto.Want{Counter: p.counter, Pods: []proto.WantPod{{Key: catalog.Services.Key("default", name), Seq: p.seq, Gone: true}}}
}

func (p *sharedPlane) tell(wants ...proto.WantPod) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(wants) > 0 {
		p.counter++
	}
	p.relay <- proto.Want{Counter: p.counter, Pods: wants}
}

// known is the catalog in one line.
func known(c *catalog.Catalog) string {
	var out []string
	for _, name := range c.Names() {
		s, _ := c.Get(name)
		out = append(out, name.Name+" "+s.Spec.ClusterIP)
	}
	slices.Sort(out)
	return strings.Join(out, ", ")
}

// sharing runs an agent that fills a catalog, until it is stopped.
func sharing(t *testing.T, p *sharedPlane, dir string) (*catalog.Catalog, func()) {
	t.Helper()
	c := &catalog.Catalog{}
	agent, err := agents.New(agents.Config{
		Node: "n1", Link: newPlane(), Shared: p, Catalog: c, StateDir: dir,
		Runtime: simulated.New(simulated.Config{}), Network: network.NewSimulated(),
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- agent.Run(ctx) }()
	return c, func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	}
}

func TestS10TheCatalogIsWhatAllNodesAreTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &sharedPlane{objects: map[string]proto.WantPod{}, counter: 7}
		p.set(t, "web", "10.96.0.1", false)
		c, stop := sharing(t, p, "")
		defer stop()
		expect := func(what, want string, syncs int) {
			t.Helper()
			synctest.Wait()
			if got := known(c); got != want || p.syncs != syncs {
				t.Errorf("%s: %q after %d syncs, want %q after %d", what, got, p.syncs, want, syncs)
			}
		}
		expect("at first", "web 10.96.0.1", 1)
		p.set(t, "api", "10.96.0.2", false)
		expect("a change", "api 10.96.0.2, web 10.96.0.1", 1)
		p.tell(proto.WantPod{Key: catalog.Services.Key("default", "broken"), Seq: 100, Body: []byte{0xff}})
		p.tell(proto.WantPod{Key: proto.Resource{Name: "secrets"}.Key("default", "x"), Seq: 101})
		p.end("api")
		expect("an end, behind what cannot be read", "web 10.96.0.1", 1)
		p.set(t, "lost", "10.96.0.3", true)
		p.set(t, "next", "10.96.0.4", false)
		expect("after a gap", "lost 10.96.0.3, next 10.96.0.4, web 10.96.0.1", 2)
		p.tell(proto.WantPod{Key: catalog.Services.Key("default", "web"), Seq: 1, Gone: true})
		expect("what is older than the sync", "lost 10.96.0.3, next 10.96.0.4, web 10.96.0.1", 2)
		p.set(t, "web", "10.96.0.9", true)
		p.tell()
		expect("the counter said again", "lost 10.96.0.3, next 10.96.0.4, web 10.96.0.9", 3)
		p.tell()
		expect("and again", "lost 10.96.0.3, next 10.96.0.4, web 10.96.0.9", 3)
	})
}

func TestS10ARestartedAgentKnowsTheServicesWithoutAControlPlane(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, dir := &sharedPlane{objects: map[string]proto.WantPod{}}, t.TempDir()
		p.set(t, "web", "10.96.0.1", false)
		p.set(t, "old", "10.96.0.2", false)
		_, stop := sharing(t, p, dir)
		synctest.Wait()
		p.set(t, "api", "10.96.0.3", false)
		p.end("old")
		synctest.Wait()
		stop()
		p.down = true
		c, stop := sharing(t, p, dir)
		defer stop()
		if got := known(c); got != "api 10.96.0.3, web 10.96.0.1" {
			t.Errorf("knows %q", got)
		}
		if _, err := p.Sync(t.Context()); !errors.Is(err, errPlaneDown) {
			t.Error("there was a control plane")
		}
	})
}
