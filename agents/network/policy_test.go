//go:build host

package network

import (
	"context"
	"fmt"
	"net/netip"
	"os/exec"
	goruntime "runtime"
	"strings"
	"testing"

	"github.com/vishvananda/netns"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/yaml"

	"segno/agents/catalog"
	"segno/agents/policy"
	policytables "segno/agents/policy/tables"
	"segno/agents/runtime"
	"segno/proto"
)

// policed is nodes that enforce policies, told of everything as a control plane
// would.
type policed struct {
	*lan
	nodes map[*machine]*watchman
}

// watchman enforces policies on a node.
type watchman struct {
	catalog  *catalog.Catalog
	enforcer *policy.Enforcer
	stop     context.CancelFunc
	ended    chan struct{}
}

func newPoliced(l *lan, nodes ...*machine) *policed {
	p := &policed{l, map[*machine]*watchman{}}
	for _, m := range nodes {
		m.aside(func() {
			for _, of := range []string{"iptables", "ip6tables"} {
				p.must(write(bridgedSwitches+"/bridge-nf-call-"+of, "0")) // only the node's own bridge is to be filtered
			}
		})
		p.nodes[m] = &watchman{catalog: &catalog.Catalog{}}
		p.watch(m)
	}
	return p
}

// watch begins to enforce, as a new agent does.
func (p *policed) watch(m *machine) {
	p.t.Helper()
	w := p.nodes[m]
	var err error
	w.enforcer, err = policy.New(policy.Config{
		Node: m.name, Catalog: w.catalog,
		Open: func() (out policy.Tables, err error) {
			m.aside(func() { out, err = policytables.Open(m.bridge.PolicyTables()) })
			return out, err
		},
		Filter: func(on bool) (err error) {
			m.aside(func() { err = m.bridge.FilterBridged(on) })
			return err
		},
		Told: func(s policy.Status) {
			if !s.Enforced {
				p.t.Errorf("%s: %+v", m.name, s)
			}
		},
	})
	p.must(err)
	ctx, stop := context.WithCancel(context.Background())
	w.stop, w.ended = stop, make(chan struct{})
	go func() {
		defer close(w.ended)
		_ = w.enforcer.Run(ctx)
	}()
	p.t.Cleanup(func() { p.unwatch(m) })
}

func (p *policed) unwatch(m *machine) {
	p.nodes[m].stop()
	<-p.nodes[m].ended
}

// aside runs something in the machine, from any goroutine.
func (m *machine) aside(what func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		goruntime.LockOSThread() // never unlocked: the thread goes with it
		if err := netns.Set(m.space); err != nil {
			panic(err)
		}
		what()
	}()
	<-done
}

// tell says to all nodes what an object is now; nil is gone.
func (p *policed) tell(key proto.ObjectKey, object interface{ Marshal() ([]byte, error) }) {
	p.t.Helper()
	word := proto.WantPod{Key: key, Gone: object == nil}
	if object != nil {
		var err error
		word.Body, err = object.Marshal()
		p.must(err)
	}
	for _, w := range p.nodes {
		p.must(w.catalog.Apply(&word))
	}
}

func (p *policed) namespace(name string, labels map[string]string) {
	p.tell(catalog.Namespaces.Key("", name), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels}})
}

// say makes a policy of what a person would write below spec, in namespace shop.
func (p *policed) say(name, spec string) {
	p.t.Helper()
	object := &networkingv1.NetworkPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name}}
	p.must(yaml.UnmarshalStrict([]byte(spec), &object.Spec))
	p.tell(catalog.Policies.Key("shop", name), object)
}

func (p *policed) withdraw(name string) { p.tell(catalog.Policies.Key("shop", name), nil) }

// policedPod is a pod with an identity.
type policedPod struct {
	*fakePod
	of     *policed
	node   *machine
	at     []netip.Addr
	object *corev1.Pod
}

// start starts a pod that listens, isolated as an agent isolates it.
func (p *policed) start(m *machine, namespace, name string, labels map[string]string) *policedPod {
	p.t.Helper()
	out := &policedPod{of: p, node: m, fakePod: startPod(p.t), object: &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, UID: types.UID(name), Labels: labels},
		Spec: corev1.PodSpec{NodeName: m.name, Containers: []corev1.Container{{Ports: []corev1.ContainerPort{
			{Name: "http", ContainerPort: 80, Protocol: corev1.ProtocolTCP},
		}}}},
	}}
	m.in(func() {
		var err error
		out.at, err = m.bridge.Allocate(name)
		p.must(err)
	})
	for _, a := range out.at {
		out.object.Status.PodIPs = append(out.object.Status.PodIPs, corev1.PodIP{IP: a.String()})
	}
	p.must(p.nodes[m].enforcer.Attach(p.t.Context(), policy.FromObject(out.object)))
	m.in(func() {
		p.must(m.bridge.Attach(p.t.Context(), name, runtime.Sandbox{PID: out.pid, Address: out.at[0]}, nil))
	})
	for _, what := range []string{"listen :80", "listen :81", "listen :90", "echo :82"} {
		expect(p.t, what, out.tell(what), "ok")
	}
	out.label(labels)
	return out
}

// label gives the pod other labels.
func (p *policedPod) label(labels map[string]string) {
	p.of.t.Helper()
	p.object.Labels = labels
	p.of.tell(catalog.Pods.Key(p.object.Namespace, p.object.Name), p.object)
}

// reaches waits until a port is reached, by both families.
func (p *policedPod) reaches(what string, to *policedPod, port int) {
	p.of.t.Helper()
	for i := range to.at {
		eventually(p.of.t, what+" "+to.at[i].String(), func() string { return p.tell("try " + on(to.at[i], port)) }, "from "+p.at[i].String())
	}
}

// misses waits until it is not.
func (p *policedPod) misses(what string, to *policedPod, port int) {
	p.of.t.Helper()
	for i := range to.at {
		eventually(p.of.t, what+" "+to.at[i].String(), func() string { return p.tell("try " + on(to.at[i], port)) }, "nothing")
	}
}

// shop is two nodes with pods of two namespaces.
type shop struct {
	*policed
	n1, n2, outside       *machine
	web, near, far, other *policedPod
}

func newShop(t *testing.T) *shop {
	t.Helper()
	l := newLAN(t)
	s := &shop{
		n1: l.node(Config{}, "n1", "10.77.1.0/24,fd77:1::/64", "192.0.2.1/24", "2001:db8::1/64"),
		n2: l.node(Config{}, "n2", "10.77.2.0/24,fd77:2::/64", "192.0.2.2/24", "2001:db8::2/64"),
	}
	s.outside = l.host("outside", "192.0.2.9/24", "2001:db8::9/64")
	meet(s.n1, s.n2)
	for _, family := range []string{"-4 10.77.1.0/24 192.0.2.1", "-6 fd77:1::/64 2001:db8::1"} {
		words := strings.Fields(family)
		s.outside.run(t, "ip", words[0], "route", "add", words[1], "via", words[2])
	}
	s.policed = newPoliced(l, s.n1, s.n2)
	s.namespace("shop", map[string]string{"kubernetes.io/metadata.name": "shop"})
	s.namespace("lab", map[string]string{"team": "x"})
	s.web = s.start(s.n1, "shop", "web", map[string]string{"app": "web"})
	s.near = s.start(s.n1, "shop", "near", map[string]string{"app": "client"})
	s.far = s.start(s.n2, "shop", "far", map[string]string{"app": "client"})
	s.other = s.start(s.n2, "lab", "other", map[string]string{"app": "client"})
	return s
}

func (m *machine) run(t *testing.T, name string, args ...string) string {
	t.Helper()
	var out []byte
	var err error
	m.in(func() { out, err = exec.Command(name, args...).CombinedOutput() })
	if err != nil {
		t.Fatalf("%s %v: %v: %s", name, args, err, out)
	}
	return string(out)
}

func (s *shop) outsider(what, want string) {
	s.t.Helper()
	for _, a := range s.web.at {
		expected := want
		if want == "" {
			expected = "from 192.0.2.9"
			if a.Is6() {
				expected = "from 2001:db8::9"
			}
		}
		eventually(s.t, what+" "+a.String(), func() string { return s.outside.play("try", on(a, 80)) }, expected)
	}
}

const nobody = "nothing"

func TestNetworkPolicyIngress(t *testing.T) {
	s := newShop(t)
	free := func(when string) {
		t.Helper()
		s.near.reaches(when+": a pod beside", s.web, 80)
		s.far.reaches(when+": a pod of another node", s.web, 80)
		s.other.reaches(when+": a pod of another namespace", s.web, 90)
		s.outsider(when+": an outsider", "")
	}
	free("without policies")
	s.say("nobody", "{podSelector: {matchLabels: {app: nobody}}}")
	eventually(t, "bridged packets are filtered", func() string {
		said := s.n1.run(t, "ip", "-d", "link", "show", s.n1.cfg.Name)
		return fmt.Sprint(strings.Contains(said, "nf_call_iptables 1 nf_call_ip6tables 1"))
	}, "true")
	free("with a policy for nobody")
	expect(t, "a flow begins", s.near.tell("flow "+on(s.web.at[0], 82)), "ok")
	expect(t, "a flow begins", s.far.tell("flow "+on(s.web.at[1], 82)), "ok")

	s.say("deny", "{podSelector: {matchLabels: {app: web}}, policyTypes: [Ingress]}")
	s.near.misses("default deny: a pod beside", s.web, 80)
	s.far.misses("default deny: a pod of another node", s.web, 80)
	s.other.misses("default deny: a pod of another namespace", s.web, 80)
	s.outsider("default deny: an outsider", nobody)
	for i, a := range s.web.at {
		expect(t, "its own node", s.n1.play("dial", on(a, 80)), "from "+gatewayOf(s.n1.cidrs[i]).String())
		expect(t, "itself", s.web.tell("try "+on(a, 80)), "from "+a.String())
	}
	s.web.reaches("it goes out, and is answered", s.near, 80)
	s.web.reaches("it goes out, and is answered", s.other, 80)
	s.near.reaches("others are free", s.far, 80)
	for _, p := range []*policedPod{s.near, s.far} {
		expect(t, "flows of before", p.tell("flood-end"), "0 lost, enough sent: true")
	}

	s.say("pods", "{podSelector: {matchLabels: {app: web}}, policyTypes: [Ingress], ingress: [{from: [{podSelector: {matchLabels: {app: client}}}]}]}")
	s.near.reaches("by podSelector: beside", s.web, 80)
	s.far.reaches("by podSelector: of another node", s.web, 90)
	s.other.misses("by podSelector: of another namespace", s.web, 80)
	s.far.label(map[string]string{"app": "else"})
	s.far.misses("by podSelector: with another label", s.web, 80)
	s.far.label(map[string]string{"app": "client"})
	s.far.reaches("by podSelector: with the label again", s.web, 80)
	s.withdraw("pods")
	s.near.misses("withdrawn", s.web, 80)

	s.say("spaces", "{podSelector: {}, policyTypes: [Ingress], ingress: [{from: [{namespaceSelector: {matchLabels: {team: x}}, podSelector: {matchLabels: {app: client}}}], ports: [{protocol: TCP, port: 80, endPort: 81}, {protocol: UDP, port: 82}]}]}")
	s.other.reaches("by namespaceSelector", s.web, 80)
	s.other.reaches("by namespaceSelector, the end of the range", s.web, 81)
	s.other.misses("by namespaceSelector, another port", s.web, 90)
	expect(t, "by namespaceSelector, UDP", s.other.tell("ask "+on(s.web.at[1], 82)+" 10"), "from "+s.other.at[1].String()+" 10")
	s.near.misses("by namespaceSelector: one's own namespace", s.web, 80)
	s.namespace("lab", map[string]string{"team": "y"})
	s.other.misses("the namespace has another label", s.web, 80)
	s.withdraw("spaces")

	s.say("named", "{podSelector: {matchLabels: {app: web}}, policyTypes: [Ingress], ingress: [{ports: [{port: http}]}]}")
	s.other.reaches("by a port's name", s.web, 80)
	s.other.misses("by a port's name, another port", s.web, 81)
	s.outsider("by a port's name: an outsider", "")
	s.withdraw("named")

	s.say("block", `{podSelector: {matchLabels: {app: web}}, policyTypes: [Ingress], ingress: [{from: [{ipBlock: {cidr: 192.0.2.0/24, except: [192.0.2.9/32]}}, {ipBlock: {cidr: "2001:db8::/64", except: ["2001:db8::8/125"]}}]}]}`)
	s.outsider("by ipBlock: excepted", nobody)
	s.say("block", `{podSelector: {matchLabels: {app: web}}, policyTypes: [Ingress], ingress: [{from: [{ipBlock: {cidr: 192.0.2.0/24, except: [192.0.2.128/25]}}, {ipBlock: {cidr: "2001:db8::/64"}}]}]}`)
	s.outsider("by ipBlock", "")
	s.near.misses("by ipBlock: a pod", s.web, 80)

	for _, name := range []string{"block", "deny", "nobody"} {
		s.withdraw(name)
	}
	free("without policies again")
}

func TestNetworkPolicyEgress(t *testing.T) {
	s := newShop(t)
	s.say("deny", "{podSelector: {matchLabels: {app: client}}, policyTypes: [Egress]}")
	s.near.misses("default deny: beside", s.web, 80)
	s.far.misses("default deny: to another node", s.web, 80)
	s.far.misses("default deny: to another namespace", s.other, 80)
	s.web.reaches("who comes is answered", s.near, 80)
	s.other.reaches("another namespace is free", s.web, 80)
	for _, m := range []*machine{s.n1} {
		expect(t, "the node listens", m.play("listen", ":70"), "ok")
		for i, cidr := range m.cidrs {
			expect(t, "to its node", s.near.tell("try "+on(gatewayOf(cidr), 70)), "from "+s.near.at[i].String())
		}
	}
	s.say("web", "{podSelector: {matchLabels: {app: client}}, policyTypes: [Egress], egress: [{to: [{podSelector: {matchLabels: {app: web}}}], ports: [{port: http}]}]}")
	s.near.reaches("to a port's name", s.web, 80)
	s.far.reaches("to a port's name", s.web, 80)
	s.far.misses("to another port", s.web, 81)
	s.far.misses("to another pod", s.near, 80)

	// Both ends have to allow it.
	s.say("closed", "{podSelector: {matchLabels: {app: web}}, policyTypes: [Ingress], ingress: [{from: [{namespaceSelector: {}}], ports: [{port: 81}]}]}")
	s.near.misses("the other end closes", s.web, 80)
	s.far.misses("the other end closes", s.web, 80)
	s.other.reaches("the other end opens", s.web, 81)
	s.withdraw("closed")
	s.near.reaches("the other end is free", s.web, 80)

	s.say("out", `{podSelector: {matchLabels: {app: client}}, policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: 0.0.0.0/0, except: [10.77.0.0/16]}}, {ipBlock: {cidr: "2001:db8::/64"}}], ports: [{port: 60}]}]}`)
	expect(t, "an outsider listens", s.outside.play("listen", ":60"), "ok")
	expect(t, "an outsider listens", s.outside.play("listen", ":61"), "ok")
	for a, from := range map[string]string{"192.0.2.9": "192.0.2.1", "2001:db8::9": "2001:db8::1"} {
		to := netip.MustParseAddr(a)
		eventually(t, "to an ipBlock", func() string { return s.near.tell("try " + on(to, 60)) }, "from "+from)
		expect(t, "to another port there", s.near.tell("try "+on(to, 61)), nobody)
	}
	s.near.misses("to an address that is excepted", s.far, 80)
}

// TestNetworkPolicyOfServices: what goes to a Service is judged by the pod that
// it is led to, also on one bridge, and also when its source is changed then.
func TestNetworkPolicyOfServices(t *testing.T) {
	s := newShop(t)
	for _, m := range []*machine{s.n1, s.n2} {
		m.run(t, "nft", fmt.Sprintf(`table ip vips {
			chain in { type nat hook prerouting priority dstnat; ip daddr 10.96.0.1 tcp dport 80 dnat to %s:80; }
			chain out { type nat hook postrouting priority srcnat; ct status dnat masquerade; }
		}`, s.web.at[0]))
	}
	vip := netip.MustParseAddr("10.96.0.1")
	way := func(p *policedPod, what, want string) {
		t.Helper()
		eventually(t, what, func() string { return p.tell("try " + on(vip, 80)) }, want)
	}
	way(s.near, "free, beside", "from "+gatewayOf(s.n1.cidrs[0]).String())
	s.say("deny", "{podSelector: {matchLabels: {app: web}}, policyTypes: [Ingress]}")
	way(s.near, "denied, beside", nobody)
	way(s.far, "denied, from another node", nobody)
	way(s.web, "itself", "from "+gatewayOf(s.n1.cidrs[0]).String())
	s.say("allow", "{podSelector: {matchLabels: {app: web}}, policyTypes: [Ingress], ingress: [{from: [{podSelector: {matchLabels: {app: client}}}]}]}")
	way(s.near, "allowed, beside", "from "+gatewayOf(s.n1.cidrs[0]).String())
	s.withdraw("deny")
	s.withdraw("allow")
	s.say("out", "{podSelector: {matchLabels: {app: client}}, policyTypes: [Egress], egress: [{to: [{podSelector: {matchLabels: {app: web}}}]}]}")
	way(s.near, "allowed out, beside", "from "+gatewayOf(s.n1.cidrs[0]).String())
	s.say("out", "{podSelector: {matchLabels: {app: client}}, policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: 10.96.0.0/16}}]}]}")
	way(s.near, "a rule about the Service's own address", nobody)
}

// TestNetworkPolicyHoldsWithoutAnAgent, while one starts anew, for a pod from its
// first moment, and after somebody changed the tables. Others' are left alone.
func TestNetworkPolicyHoldsWithoutAnAgent(t *testing.T) {
	s := newShop(t)
	s.n1.run(t, "nft", "table ip theirs { chain c { counter; }; set s { type ipv4_addr; elements = { 192.0.2.7 }; }; }")
	theirs := s.n1.run(t, "nft", "list table ip theirs")
	s.say("deny", "{podSelector: {matchExpressions: [{key: app, operator: In, values: [web, late]}]}, policyTypes: [Ingress]}")
	s.near.misses("denied", s.web, 80)
	before := s.near.tell("flood " + on(s.web.at[0], 82)) // new, and so denied as long as it lasts
	expect(t, "asks again and again", before, "ok")
	s.unwatch(s.n1)
	s.near.misses("without an agent", s.web, 80)
	s.watch(s.n1)
	late := s.start(s.n1, "shop", "late", map[string]string{"app": "late"})
	expect(t, "a pod at its first moment", s.near.tell("try "+on(late.at[0], 80)), nobody)
	if said := s.near.tell("flood-end"); strings.HasPrefix(said, "0 lost") {
		t.Errorf("a new flow: %s", said)
	}
	eventually(t, "every packet of it", func() string { return s.near.tell("ask " + on(s.web.at[0], 82) + " 1") }, "no answer")
	s.near.misses("after the restart", s.web, 80)

	table := s.n1.bridge.PolicyTables()
	var mine *policytables.Tables
	s.n1.in(func() {
		var err error
		mine, err = policytables.Open(s.n1.bridge.PolicyTables())
		s.must(err)
	})
	s.must(mine.Remove())
	s.near.reaches("somebody deleted the tables", s.web, 80)
	s.unwatch(s.n1)
	s.watch(s.n1)
	s.near.misses("and the agent wrote them again", s.web, 80)
	expect(t, "the tables of others", s.n1.run(t, "nft", "list table ip theirs"), theirs)
	s.unwatch(s.n1)
	s.n1.in(func() { s.must(s.n1.bridge.Remove()) })
	if left := s.n1.run(t, "nft", "list tables"); strings.Contains(left, table) {
		t.Errorf("left: %s", left)
	}
}
