package cluster

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"segno/agents/network"
	"segno/agents/services"
	"segno/bus"
	"segno/events/kinds"
)

func prefixes(text string) (out []netip.Prefix) {
	for one := range strings.SplitSeq(text, ",") {
		if one != "" {
			out = append(out, netip.MustParsePrefix(one))
		}
	}
	return out
}

func TestS1ServiceRangesAreChosenOnce(t *testing.T) {
	on := func(name, prefix string) []network.Holder {
		return []network.Holder{{Prefix: netip.MustParsePrefix(prefix), Interface: name}}
	}
	for name, c := range map[string]struct {
		asked, ports, pods string
		fixed              bool
		holders            []network.Holder
		want, says         string
	}{
		"the usual ones":                 {want: "10.96.0.0/16 30000-32767", holders: on("eth0", "192.168.1.7/24")},
		"as asked":                       {asked: "10.3.0.0/20,fd00::/112", ports: "40000-40100", want: "10.3.0.0/20,fd00::/112 40000-40100"},
		"beside the pods":                {asked: "10.3.0.0/16", pods: "10.4.0.0/16", want: "10.3.0.0/16 30000-32767"},
		"the pods have it":               {asked: "10.3.0.0/16", pods: "fd00::/48,10.3.7.0/24", says: "Services 10.3.0.0/16 (--service-cidr) and of pods 10.3.7.0/24 (--pod-network-cidr) overlap"},
		"the pods want the usual one":    {pods: "10.0.0.0/8", says: "10.96.0.0/16 (--service-cidr) and of pods 10.0.0.0/8"},
		"the machine is in it":           {asked: "192.168.0.0/16", holders: on("eth0", "192.168.1.7/24"), says: "this machine has 192.168.1.7/24 on interface eth0, and would not be reached there"},
		"the machine is in the usual":    {holders: on("eth0", "10.96.3.4/24"), says: "choose another range with --service-cidr"},
		"another cluster's DNS is in it": {holders: on("lo", "10.96.0.10/32"), want: "10.96.0.0/16 30000-32767"},
		"another cluster's Services are": {holders: on("segno-ipvs", "10.96.0.7/32"), want: "10.96.0.0/16 30000-32767"},
		"it has them":                    {fixed: true, holders: on("eth0", "10.96.3.4/24"), want: "10.96.0.0/16 30000-32767"},
		"it has these":                   {fixed: true, asked: "10.96.0.0/16", want: "10.96.0.0/16 30000-32767"},
		"it has others":                  {fixed: true, asked: "10.3.0.0/16", says: "--service-cidr 10.3.0.0/16: this cluster's Services have addresses of 10.96.0.0/16; it can be chosen at a cluster's first start only"},
		"other ports":                    {fixed: true, ports: "31000-31099", want: "10.96.0.0/16 31000-31099"},
	} {
		choice := serviceChoice{
			networks: prefixes(c.asked), pods: prefixes(c.pods), fixed: c.fixed, holders: c.holders,
			kept: kinds.ServiceRanges{Networks: []netip.Prefix{kinds.DefaultServiceNetwork}, Ports: kinds.DefaultNodePorts},
		}
		if c.ports != "" {
			var err error
			if choice.ports, err = kinds.ParsePortRange(c.ports); err != nil {
				t.Fatal(err)
			}
		}
		chosen, err := choice.decide()
		got := listed(chosen.Networks) + " " + chosen.Ports.String()
		switch {
		case c.says == "" && (err != nil || got != c.want):
			t.Errorf("%s: got %s, %v; want %s", name, got, err, c.want)
		case c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says)):
			t.Errorf("%s: got %s, %v; want an error that says %q", name, got, err, c.says)
		}
	}
}

// TestS1BadRangesAreRefusedBeforeAnythingIsMade: by their form alone.
func TestS1BadRangesAreRefusedBeforeAnythingIsMade(t *testing.T) {
	for says, cfg := range map[string]Config{
		"--service-cidr: service network":             {ServiceNetwork: "10.96.0.0/30"},
		"--service-node-port-range: node ports \"x\"": {NodePorts: "x"},
		"overlap: choose others":                      {ServiceNetwork: "10.244.0.0/20", PodNetwork: "10.244.0.0/16"},
	} {
		if err := cfg.Check(); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%v, want %q", err, says)
		}
	}
}

func (w *world) serve(name string, spec corev1.ServiceSpec) (*corev1.Service, error) {
	if spec.Ports == nil {
		spec.Ports = []corev1.ServicePort{{Port: 80}}
	}
	return w.client.CoreV1().Services("default").Create(w.ctx, &corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: spec}, metav1.CreateOptions{})
}

// TestS1RangesComeWithTheLog: what was asked for at the first start holds for
// later ones and for forks; the pods' network and the DNS keep out of each other's
// way.
func TestS1RangesComeWithTheLog(t *testing.T) {
	dir := t.TempDir()
	cfg := Config{DataDir: dir, Listen: "127.0.0.1:0", Runtime: RuntimeSimulated, ServiceNetwork: "10.244.0.0/20,fd00:7::/112", NodePorts: "31000-31002"}
	w, stop := newWorld(t, cfg)
	dual := corev1.IPFamilyPolicyRequireDualStack
	in := func(service *corev1.Service, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		for i, network := range prefixes(cfg.ServiceNetwork) {
			if ip, err := netip.ParseAddr(service.Spec.ClusterIPs[i]); err != nil || !network.Contains(ip) {
				t.Errorf("%s has %v", service.Name, service.Spec.ClusterIPs)
			}
		}
		if port := service.Spec.Ports[0].NodePort; port < 31000 || port > 31002 {
			t.Errorf("%s has the node port %d", service.Name, port)
		}
	}
	spec := corev1.ServiceSpec{Type: corev1.ServiceTypeNodePort, IPFamilyPolicy: &dual}
	one := spec
	one.Ports = []corev1.ServicePort{{Port: 80, NodePort: 31000}}
	in(w.serve("one", one))
	names, err := w.client.CoreV1().Services("kube-system").Get(w.ctx, "kube-dns", metav1.GetOptions{})
	if err != nil || names.Spec.ClusterIP != "10.244.0.10" || listedAddresses(w.cluster.cfg.Services.DNS) != "[10.244.0.10]" {
		t.Errorf("the DNS is at %v, and served at %v: %v", names.Spec.ClusterIPs, w.cluster.cfg.Services.DNS, err)
	}
	node, err := w.client.CoreV1().Nodes().Get(w.ctx, "sim-1", metav1.GetOptions{})
	if err != nil || !strings.HasPrefix(node.Spec.PodCIDR, "10.245.") {
		t.Errorf("the node's pods are in %s, %v", node.Spec.PodCIDR, err)
	}
	fork, _ := w.forkNow("try")
	in(fork.serve("two", spec))
	stop()

	other := cfg
	other.ServiceNetwork = "10.96.0.0/16"
	c, err := New(other)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "it can be chosen at a cluster's first start only") {
		t.Errorf("with another network it started: %v", err)
	}
	again := cfg
	again.ServiceNetwork, again.NodePorts = "", "31002-31003"
	w, _ = newWorld(t, again)
	for i := range 2 {
		service, err := w.serve(fmt.Sprintf("later%d", i), spec)
		if err != nil {
			t.Fatal(err)
		}
		if port := service.Spec.Ports[0].NodePort; port < 31002 || port > 31003 {
			t.Errorf("it has the node port %d", port)
		}
	}
	code, verified := w.as(person, http.MethodGet, "/apis/history.segno/v1/verify", "")
	if want := "Service default/one: PortOutOfRange: its node port 31000 is not of the range 31002-31003"; code != http.StatusOK || strings.Count(verified, "PortOutOfRange") != 1 || !strings.Contains(verified, want) {
		t.Errorf("verified: %d, %s", code, verified)
	}
	_, err = w.serve("more", spec)
	if !apierrors.IsInvalid(err) || !strings.Contains(err.Error(), "all ports of 31002-31003 are in use") {
		t.Errorf("%v", err)
	}
}

func listedAddresses(all []netip.Addr) string { return fmt.Sprint(all) }

// TestS5RacingServicesShareNothing: whatever many clients do at once to Services,
// at no point of the log does one of them hold what another has, or too little.
func TestS5RacingServicesShareNothing(t *testing.T) {
	seed := rand.Uint64()
	synctest.Test(t, func(t *testing.T) {
		w, _ := newWorld(t, Config{Nodes: 1, ServiceNetwork: "10.7.0.0/26,fd00:7::/122", NodePorts: "30000-30039"})
		var all sync.WaitGroup
		outcomes := make([]map[string]int, 8)
		for i := range outcomes {
			outcomes[i] = map[string]int{}
			random := rand.New(rand.NewPCG(seed, uint64(i)))
			all.Go(func() {
				for range 60 {
					what, err := w.disturb(random)
					if err != nil && !apierrors.IsNotFound(err) && !apierrors.IsAlreadyExists(err) && !apierrors.IsConflict(err) && !apierrors.IsInvalid(err) {
						t.Errorf("%s: %v", what, err)
					}
					outcomes[i][fmt.Sprint(what, " ", err == nil)]++
				}
			})
		}
		all.Wait()
		sum := map[string]int{}
		for _, of := range outcomes {
			for what, n := range of {
				sum[what] += n
			}
		}
		if sum["create true"] == 0 || sum["create false"] == 0 || sum["update true"] == 0 || sum["delete true"] == 0 {
			t.Errorf("too little happened: %v", sum)
		}
		fold := w.cluster.ledgers.events()
		last := fold.Position().Seq
		for seq := last - min(last, 600) + 1; seq <= last; seq++ {
			view, err := fold.At(seq)
			if err != nil {
				t.Fatal(err)
			}
			if flaws, err := kinds.CheckServices(view); err != nil || len(flaws) > 0 {
				t.Fatalf("seed %d, at %d of %d: %v, %v", seed, seq, last, flaws, err)
			}
		}
	})
}

// disturb does one thing to one of a few Services.
func (w *world) disturb(random *rand.Rand) (what string, err error) {
	name := fmt.Sprintf("s%d", random.IntN(60))
	services := w.client.CoreV1().Services("default")
	kinds := []corev1.ServiceType{corev1.ServiceTypeClusterIP, corev1.ServiceTypeNodePort, corev1.ServiceTypeLoadBalancer, corev1.ServiceTypeExternalName}
	policies := []corev1.IPFamilyPolicy{corev1.IPFamilyPolicySingleStack, corev1.IPFamilyPolicyPreferDualStack, corev1.IPFamilyPolicyRequireDualStack}
	kind, policy := kinds[random.IntN(len(kinds))], policies[random.IntN(len(policies))]
	switch random.IntN(5) {
	case 0:
		return "delete", services.Delete(w.ctx, name, metav1.DeleteOptions{})
	case 1, 2:
		patch := fmt.Sprintf(`{"spec":{"type":%q,"ipFamilyPolicy":%q,"externalName":"example.com"}}`, kind, policy)
		if kind == corev1.ServiceTypeExternalName {
			patch = fmt.Sprintf(`{"spec":{"type":%q,"ipFamilyPolicy":null,"externalName":"example.com"}}`, kind)
		}
		_, err = services.Patch(w.ctx, name, types.MergePatchType, []byte(patch), metav1.PatchOptions{})
		return "update", err
	}
	spec := corev1.ServiceSpec{Type: kind, Ports: []corev1.ServicePort{{Name: "a", Port: 80}, {Name: "b", Port: 53, Protocol: corev1.ProtocolUDP}}}
	if kind == corev1.ServiceTypeExternalName {
		spec.ExternalName = "example.com"
	} else {
		spec.IPFamilyPolicy = &policy
	}
	if kind == corev1.ServiceTypeLoadBalancer {
		spec.ExternalTrafficPolicy = corev1.ServiceExternalTrafficPolicyLocal
	}
	if kind == corev1.ServiceTypeNodePort && random.IntN(2) == 0 {
		spec.Ports[0].NodePort = 30000 + random.Int32N(45)
	}
	if kind == corev1.ServiceTypeClusterIP && random.IntN(2) == 0 {
		spec.ClusterIP = fmt.Sprintf("10.7.0.%d", random.IntN(70))
	}
	_, err = w.serve(name, spec)
	return "create", err
}

// TestS7AJoinedNodeKnowsTheRanges: as it was told when it joined; older clusters
// told nothing, and what a person asks for counts more.
func TestS7AJoinedNodeKnowsTheRanges(t *testing.T) {
	asked := []netip.Addr{netip.MustParseAddr("192.0.2.53")}
	for want, got := range map[string]services.Options{
		"[10.9.0.10] [10.9.0.0/20 fd00::/112]": joinedRanges(services.Options{}, bus.Credential{DNS: []string{"10.9.0.10"}, Services: []string{"10.9.0.0/20", "fd00::/112"}}),
		"[10.96.0.10] [10.96.0.0/16]":          joinedRanges(services.Options{}, bus.Credential{}),
		"[192.0.2.53] [10.9.0.0/20]":           joinedRanges(services.Options{DNS: asked}, bus.Credential{DNS: []string{"10.9.0.10"}, Services: []string{"10.9.0.0/20", "nonsense"}}),
	} {
		if text := fmt.Sprint(got.DNS, got.Networks); text != want {
			t.Errorf("%s, want %s", text, want)
		}
	}
}
