package policy

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// packet begins a connection.
type packet struct {
	from, to netip.Addr
	protocol uint8
	port     uint16
}

// allows is what the tables do with a packet on this node.
func (p *Plan) allows(k packet) bool {
	return k.from == k.to || p.passes(k, Ingress) && p.passes(k, Egress)
}

func (p *Plan) passes(k packet, d Direction) bool {
	own := k.to
	if d == Egress {
		own = k.from
	}
	chain, isolated := p.Isolated[d][own]
	return !isolated || p.walk(chain, k) == "accept"
}

func (p *Plan) walk(name string, k packet) string {
	chain := p.Chains[name]
	peer := k.from
	if chain.Direction == Egress {
		peer = k.to
	}
	for _, r := range chain.Rules {
		if r.Peers != "" && !has(p.Sets[r.Peers], Element{Address: peer}) {
			continue
		}
		if r.Named != "" && !has(p.Sets[r.Named], Element{k.to, k.protocol, k.port}) {
			continue
		}
		if r.Blocks != "" && !slices.ContainsFunc(p.Blocks[r.Blocks], func(r Range) bool {
			return r.From.BitLen() == peer.BitLen() && !peer.Less(r.From) && !r.To.Less(peer)
		}) {
			continue
		}
		if r.Protocol != 0 && (r.Protocol != k.protocol || r.To != 0 && (k.port < r.From || k.port > r.To)) {
			continue
		}
		if r.Jump == "" {
			return "accept"
		}
		if v := p.walk(r.Jump, k); v != "" {
			return v
		}
	}
	if chain.Closed {
		return "drop"
	}
	return ""
}

func has(s Set, e Element) bool { _, in := s.Elements[e]; return in }

// world is a cluster, for a naive reading of the documentation.
type world struct {
	namespaces map[string]map[string]string
	pods       map[types.NamespacedName]*Pod
	local      map[types.NamespacedName]bool
	policies   map[types.NamespacedName]*networkingv1.NetworkPolicy
}

func (w *world) at(a netip.Addr) *Pod {
	for _, p := range w.pods {
		if slices.Contains(p.Addresses, a) {
			return p
		}
	}
	return nil
}

// allows judges a packet with one end on this node.
func (w *world) allows(k packet) bool {
	if k.from == k.to {
		return true
	}
	ok := true
	if p := w.at(k.to); p != nil && w.local[p.Name] {
		ok = w.permits(p, networkingv1.PolicyTypeIngress, k)
	}
	if p := w.at(k.from); p != nil && w.local[p.Name] {
		ok = ok && w.permits(p, networkingv1.PolicyTypeEgress, k)
	}
	return ok
}

func (w *world) permits(pod *Pod, kind networkingv1.PolicyType, k packet) bool {
	isolated := false
	for _, policy := range w.policies {
		if policy.Namespace != pod.Name.Namespace || !selects(&policy.Spec.PodSelector, pod.Labels) || !slices.Contains(policy.Spec.PolicyTypes, kind) {
			continue
		}
		isolated = true
		if kind == networkingv1.PolicyTypeIngress {
			for _, r := range policy.Spec.Ingress {
				if w.anyPeer(policy.Namespace, r.From, k.from) && w.anyPort(r.Ports, k) {
					return true
				}
			}
			continue
		}
		for _, r := range policy.Spec.Egress {
			if w.anyPeer(policy.Namespace, r.To, k.to) && w.anyPort(r.Ports, k) {
				return true
			}
		}
	}
	return !isolated
}

func (w *world) anyPeer(own string, peers []networkingv1.NetworkPolicyPeer, a netip.Addr) bool {
	if len(peers) == 0 {
		return true
	}
	pod := w.at(a)
	for _, p := range peers {
		switch {
		case p.IPBlock != nil:
			in := netip.MustParsePrefix(p.IPBlock.CIDR).Contains(a)
			for _, e := range p.IPBlock.Except {
				in = in && !netip.MustParsePrefix(e).Contains(a)
			}
			if in {
				return true
			}
		case pod == nil:
		case p.NamespaceSelector == nil && pod.Name.Namespace != own:
		case p.NamespaceSelector != nil && (w.namespaces[pod.Name.Namespace] == nil || !selects(p.NamespaceSelector, w.namespaces[pod.Name.Namespace])):
		case p.PodSelector == nil || selects(p.PodSelector, pod.Labels):
			return true
		}
	}
	return false
}

func (w *world) anyPort(ports []networkingv1.NetworkPolicyPort, k packet) bool {
	if len(ports) == 0 {
		return true
	}
	for _, p := range ports {
		if protocols[*p.Protocol] != k.protocol {
			continue
		}
		if p.Port == nil {
			return true
		}
		if p.Port.Type == intstr.String {
			to := w.at(k.to)
			if to != nil && slices.ContainsFunc(to.Ports, func(has Port) bool {
				return has.Name == p.Port.StrVal && has.Port == k.port && has.Protocol == *p.Protocol
			}) {
				return true
			}
			continue
		}
		last := uint16(p.Port.IntVal)
		if p.EndPort != nil {
			last = uint16(*p.EndPort)
		}
		if k.port >= uint16(p.Port.IntVal) && k.port <= last {
			return true
		}
	}
	return false
}

func selects(s *metav1.LabelSelector, is map[string]string) bool {
	selector, err := metav1.LabelSelectorAsSelector(s)
	return err == nil && selector.Matches(labels.Set(is))
}

// dice makes clusters small enough that things meet.
type dice struct{ *rand.Rand }

func (d dice) of(n int) bool { return d.IntN(n) == 0 }

func (d dice) labels() map[string]string {
	out := map[string]string{}
	for _, key := range []string{"app", "tier"} {
		if !d.of(3) {
			out[key] = string(rune('a' + d.IntN(3)))
		}
	}
	return out
}

func (d dice) selector() *metav1.LabelSelector {
	s := &metav1.LabelSelector{}
	if d.of(2) {
		s.MatchLabels = map[string]string{"app": string(rune('a' + d.IntN(3)))}
	}
	if d.of(3) {
		ops := []metav1.LabelSelectorOperator{metav1.LabelSelectorOpIn, metav1.LabelSelectorOpNotIn, metav1.LabelSelectorOpExists, metav1.LabelSelectorOpDoesNotExist}
		r := metav1.LabelSelectorRequirement{Key: "tier", Operator: ops[d.IntN(4)]}
		if r.Operator == ops[0] || r.Operator == ops[1] {
			r.Values = []string{"a", "b"}[:1+d.IntN(2)]
		}
		s.MatchExpressions = append(s.MatchExpressions, r)
	}
	return s
}

func (d dice) address(host int) netip.Addr {
	if d.of(3) {
		return netip.MustParseAddr(fmt.Sprintf("fd00::%x", host))
	}
	return netip.MustParseAddr(fmt.Sprintf("10.0.0.%d", host))
}

func (d dice) pod(name types.NamespacedName, host int) *Pod {
	p := &Pod{Name: name, UID: types.UID(fmt.Sprint(d.Uint64())), Labels: d.labels(), Addresses: []netip.Addr{d.address(host)}}
	if d.of(3) {
		p.Addresses = []netip.Addr{netip.MustParseAddr(fmt.Sprintf("10.0.0.%d", host)), netip.MustParseAddr(fmt.Sprintf("fd00::%x", host))}
	}
	for i := range d.IntN(3) {
		p.Ports = append(p.Ports, Port{[]string{"http", "dns", "http"}[i], d.protocol(), uint16(80 + d.IntN(4))})
	}
	return p
}

func (d dice) protocol() corev1.Protocol {
	return []corev1.Protocol{corev1.ProtocolTCP, corev1.ProtocolUDP, corev1.ProtocolSCTP}[d.IntN(3)]
}

func (d dice) block() *networkingv1.IPBlock {
	all := []networkingv1.IPBlock{
		{CIDR: "0.0.0.0/0"}, {CIDR: "::/0"}, {CIDR: "10.0.0.0/29", Except: []string{"10.0.0.4/31"}},
		{CIDR: "10.0.0.0/24", Except: []string{"10.0.0.0/30", "10.0.0.2/32", "10.0.0.8/29", "10.0.0.255/32"}},
		{CIDR: "fd00::/64", Except: []string{"fd00::/126", "fd00::6/127"}}, {CIDR: "10.0.0.5/32"},
		{CIDR: "0.0.0.0/0", Except: []string{"0.0.0.0/1", "128.0.0.0/1"}}, {CIDR: "255.255.255.0/24", Except: []string{"255.255.255.255/32"}},
	}
	return &all[d.IntN(len(all))]
}

func (d dice) peers() (out []networkingv1.NetworkPolicyPeer) {
	for range d.IntN(3) {
		p := networkingv1.NetworkPolicyPeer{}
		switch d.IntN(4) {
		case 0:
			p.IPBlock = d.block()
		case 1:
			p.PodSelector = d.selector()
		case 2:
			p.NamespaceSelector = d.selector()
		default:
			p.PodSelector, p.NamespaceSelector = d.selector(), d.selector()
		}
		out = append(out, p)
	}
	return out
}

func (d dice) ports() (out []networkingv1.NetworkPolicyPort) {
	for range d.IntN(3) {
		protocol := d.protocol()
		p := networkingv1.NetworkPolicyPort{Protocol: &protocol}
		number := intstr.FromInt32(int32(80 + d.IntN(3)))
		name := intstr.FromString([]string{"http", "dns", "nobody"}[d.IntN(3)])
		switch d.IntN(4) {
		case 0:
			p.Port = &number
		case 1:
			last := number.IntVal + int32(d.IntN(3))
			p.Port, p.EndPort = &number, &last
		case 2:
			p.Port = &name
		}
		out = append(out, p)
	}
	return out
}

func (d dice) policy(name types.NamespacedName) *networkingv1.NetworkPolicy {
	p := &networkingv1.NetworkPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: name.Namespace, Name: name.Name}}
	p.Spec.PodSelector = *d.selector()
	p.Spec.PolicyTypes = [][]networkingv1.PolicyType{
		{networkingv1.PolicyTypeIngress}, {networkingv1.PolicyTypeEgress}, {networkingv1.PolicyTypeIngress, networkingv1.PolicyTypeEgress},
	}[d.IntN(3)]
	for range d.IntN(3) {
		p.Spec.Ingress = append(p.Spec.Ingress, networkingv1.NetworkPolicyIngressRule{From: d.peers(), Ports: d.ports()})
	}
	for range d.IntN(3) {
		p.Spec.Egress = append(p.Spec.Egress, networkingv1.NetworkPolicyEgressRule{To: d.peers(), Ports: d.ports()})
	}
	return p
}

var spaces = []string{"a", "b", "c"}

// step changes one thing, in the world and in the planner.
func (d dice) step(t *testing.T, w *world, p *Planner) {
	t.Helper()
	space := spaces[d.IntN(len(spaces))]
	switch d.IntN(8) {
	case 0:
		is := d.labels()
		if w.namespaces[space] = is; d.of(4) {
			is = nil
			delete(w.namespaces, space)
		}
		p.SetNamespace(space, is, is != nil)
	case 1, 2, 3:
		host := 1 + d.IntN(9)
		name := types.NamespacedName{Namespace: space, Name: fmt.Sprint("pod-", host)}
		pod, local := d.pod(name, host), d.of(2)
		if former := w.pods[name]; former != nil && w.local[name] {
			for _, a := range former.Addresses {
				p.SetLocal(a, nil)
			}
		}
		delete(w.pods, name)
		delete(w.local, name)
		if d.of(4) {
			p.SetPod(name, nil)
			return
		}
		for _, other := range w.pods { // whose end was not told yet
			left := slices.DeleteFunc(slices.Clone(other.Addresses), func(a netip.Addr) bool { return slices.Contains(pod.Addresses, a) })
			if len(left) == len(other.Addresses) {
				continue
			}
			if w.local[other.Name] {
				for _, a := range other.Addresses {
					if !slices.Contains(left, a) {
						p.SetLocal(a, nil)
					}
				}
			}
			less := *other
			less.Addresses = left
			w.pods[other.Name] = &less
		}
		w.pods[name], w.local[name] = pod, local
		p.SetPod(name, pod)
		if local {
			for _, a := range pod.Addresses {
				p.SetLocal(a, pod)
			}
		}
	default:
		name := types.NamespacedName{Namespace: space, Name: fmt.Sprint("policy-", d.IntN(3))}
		if d.of(4) {
			delete(w.policies, name)
			_ = p.SetPolicy(name, nil)
			return
		}
		w.policies[name] = d.policy(name)
		if err := p.SetPolicy(name, w.policies[name]); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
}

// TestNetworkPolicyPlanIsTheSpecification: for random clusters, policies and
// packets the plan does what a naive reading of the documentation says, however
// the cluster came to be as it is; and a plan of everybody at once is the same.
func TestNetworkPolicyPlanIsTheSpecification(t *testing.T) {
	packets, denied := 0, 0
	for seed := range uint64(150) {
		d := dice{rand.New(rand.NewPCG(seed, 1))}
		w, p := newWorld(), NewPlanner()
		for step := range 60 {
			d.step(t, w, p)
			for range 60 {
				k := packet{d.address(1 + d.IntN(12)), d.address(1 + d.IntN(12)), protocols[d.protocol()], uint16(79 + d.IntN(7))}
				if k.from.BitLen() != k.to.BitLen() {
					continue
				}
				if d.of(8) {
					k.protocol, k.port = 1, 0 // ICMP
				}
				want := w.allows(k)
				if got := p.plan.allows(k); got != want {
					t.Fatalf("seed %d, step %d: %v is allowed: %t, want %t\n%+v", seed, step, k, got, want, p.plan)
				}
				packets++
				if !want {
					denied++
				}
			}
		}
		anew := NewPlanner()
		for name, is := range w.namespaces {
			anew.SetNamespace(name, is, true)
		}
		for name, policy := range w.policies {
			if err := anew.SetPolicy(name, policy); err != nil {
				t.Fatal(err)
			}
		}
		for name, pod := range w.pods {
			anew.SetPod(name, pod)
			for _, a := range pod.Addresses {
				if w.local[name] {
					anew.SetLocal(a, pod)
				}
			}
		}
		if got, want := show(&p.plan), show(&anew.plan); got != want {
			t.Fatalf("seed %d: step by step the plan is\n%s\nat once\n%s", seed, got, want)
		}
	}
	t.Logf("%d packets, %d denied", packets, denied)
	if denied < packets/10 || denied > packets*9/10 {
		t.Errorf("of %d packets %d are denied: the clusters are too simple", packets, denied)
	}
}

// Random lets a planner go through a random life, and calls after each step.
func Random(t *testing.T, seed uint64, steps int, after func(*Planner)) {
	t.Helper()
	d := dice{rand.New(rand.NewPCG(seed, 2))}
	w, p := newWorld(), NewPlanner()
	for range steps {
		d.step(t, w, p)
		after(p)
	}
}

func newWorld() *world {
	return &world{
		map[string]map[string]string{}, map[types.NamespacedName]*Pod{}, map[types.NamespacedName]bool{},
		map[types.NamespacedName]*networkingv1.NetworkPolicy{},
	}
}

// show is a plan as text; fmt sorts maps by their keys.
func show(p *Plan) string {
	sets := map[string][]string{}
	for name, s := range p.Sets {
		for e := range s.Elements {
			sets[name] = append(sets[name], fmt.Sprint(e))
		}
		slices.Sort(sets[name])
	}
	isolated := map[string]string{}
	for d := range Direction(2) {
		for a, chain := range p.Isolated[d] {
			isolated[fmt.Sprint(d, a)] = chain
		}
	}
	return fmt.Sprintf("%v\n%v\n%v\n%v", isolated, p.Chains, sets, p.Blocks)
}

// TestNetworkPolicyThatIsBrokenAllowsNothing, and leaves the others alone.
func TestNetworkPolicyThatIsBrokenAllowsNothing(t *testing.T) {
	p := NewPlanner()
	web := netip.MustParseAddr("10.0.0.1")
	name := func(n string) types.NamespacedName { return types.NamespacedName{Namespace: "shop", Name: n} }
	p.SetLocal(web, &Pod{Name: name("web"), Labels: map[string]string{"app": "web"}, Addresses: []netip.Addr{web}})
	icmp, empty, port := corev1.Protocol("ICMP"), intstr.FromString(""), intstr.FromInt32(70000)
	in := []networkingv1.PolicyType{networkingv1.PolicyTypeIngress}
	ingress := func(peers []networkingv1.NetworkPolicyPeer, ports []networkingv1.NetworkPolicyPort) networkingv1.NetworkPolicySpec {
		return networkingv1.NetworkPolicySpec{PolicyTypes: in, Ingress: []networkingv1.NetworkPolicyIngressRule{{From: peers, Ports: ports}}}
	}
	nonsense := &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "a", Operator: "Like"}}}
	for what, spec := range map[string]networkingv1.NetworkPolicySpec{
		"a CIDR":        ingress([]networkingv1.NetworkPolicyPeer{{IPBlock: &networkingv1.IPBlock{CIDR: "10.0.0.0/99"}}}, nil),
		"an exception":  ingress([]networkingv1.NetworkPolicyPeer{{IPBlock: &networkingv1.IPBlock{CIDR: "10.0.0.0/8", Except: []string{"x"}}}}, nil),
		"nobody":        ingress([]networkingv1.NetworkPolicyPeer{{}}, nil),
		"a selector":    ingress([]networkingv1.NetworkPolicyPeer{{PodSelector: nonsense}}, nil),
		"a protocol":    ingress(nil, []networkingv1.NetworkPolicyPort{{Protocol: &icmp}}),
		"a port":        ingress(nil, []networkingv1.NetworkPolicyPort{{Port: &port}}),
		"an empty name": ingress(nil, []networkingv1.NetworkPolicyPort{{Port: &empty}}),
	} {
		if err := p.SetPolicy(name("broken"), &networkingv1.NetworkPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "broken"}, Spec: spec}); err == nil {
			t.Errorf("%s: no error", what)
		}
		k := packet{netip.MustParseAddr("10.0.0.9"), web, 6, 80}
		if p.plan.allows(k) {
			t.Errorf("%s: everybody may come", what)
		}
		good := ingress(nil, nil)
		if err := p.SetPolicy(name("good"), &networkingv1.NetworkPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "good"}, Spec: good}); err != nil {
			t.Fatal(err)
		}
		if !p.plan.allows(k) {
			t.Errorf("%s: the good policy does not work", what)
		}
		_ = p.SetPolicy(name("good"), nil)
	}
	spec := networkingv1.NetworkPolicySpec{PodSelector: *nonsense, PolicyTypes: in}
	if err := p.SetPolicy(name("broken"), &networkingv1.NetworkPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "broken"}, Spec: spec}); err == nil {
		t.Error("a policy of nobody: no error")
	}
	if n := len(p.plan.Isolated[Ingress]); n != 0 || len(p.plan.Chains)+len(p.plan.Sets)+len(p.plan.Blocks) != 0 {
		t.Errorf("left is %+v", p.plan)
	}
}
