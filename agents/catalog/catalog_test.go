package catalog

import (
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"segno/proto"
)

var web, api = types.NamespacedName{Namespace: "shop", Name: "web"}, types.NamespacedName{Namespace: "shop", Name: "api"}

func service(t *testing.T, name types.NamespacedName, ip string) proto.WantPod {
	t.Helper()
	s := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: name.Namespace, Name: name.Name}, Spec: corev1.ServiceSpec{ClusterIP: ip}}
	body, err := s.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return proto.WantPod{Key: Services.Key(name.Namespace, name.Name), Body: body}
}

func slice(t *testing.T, name string, of types.NamespacedName) proto.WantPod {
	t.Helper()
	s := &discoveryv1.EndpointSlice{ObjectMeta: metav1.ObjectMeta{
		Namespace: of.Namespace, Name: name, Labels: map[string]string{discoveryv1.LabelServiceName: of.Name},
	}}
	body, err := s.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return proto.WantPod{Key: Slices.Key(of.Namespace, name), Body: body}
}

func gone(p proto.WantPod) proto.WantPod { p.Gone, p.Body = true, nil; return p }

// show is the catalog in one line.
func show(c *Catalog) string {
	var out []string
	for _, name := range c.Names() {
		s, _ := c.Get(name)
		line := name.Name + " " + s.Spec.ClusterIP
		var names []string
		for _, slice := range s.Slices {
			names = append(names, slice.Name)
		}
		slices.Sort(names)
		out = append(out, strings.Join(append([]string{line}, names...), " "))
	}
	slices.Sort(out)
	return strings.Join(out, ", ")
}

func TestS2ACatalogIsWhatTheNodeWasTold(t *testing.T) {
	c := &Catalog{}
	follower := c.Follow()
	for _, step := range []struct {
		name    string
		apply   proto.WantPod
		want    string
		changed []types.NamespacedName
	}{
		{"a slice before its Service", slice(t, "web-1", web), "", []types.NamespacedName{web}},
		{"its Service", service(t, web, "10.96.0.7"), "web 10.96.0.7 web-1", []types.NamespacedName{web}},
		{"another slice", slice(t, "web-2", web), "web 10.96.0.7 web-1 web-2", []types.NamespacedName{web}},
		{"another Service", service(t, api, "10.96.0.8"), "api 10.96.0.8, web 10.96.0.7 web-1 web-2", []types.NamespacedName{api}},
		{"a slice is labelled anew", slice(t, "web-2", api), "api 10.96.0.8 web-2, web 10.96.0.7 web-1", []types.NamespacedName{api, web}},
		{"a slice goes", gone(slice(t, "web-1", web)), "api 10.96.0.8 web-2, web 10.96.0.7", []types.NamespacedName{web}},
		{"a Service goes before its slices", gone(service(t, api, "")), "web 10.96.0.7", []types.NamespacedName{api}},
		{"and they after it", gone(slice(t, "web-2", api)), "web 10.96.0.7", []types.NamespacedName{api}},
	} {
		if err := c.Apply(&step.apply); err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		changed := follower.Take()
		slices.SortFunc(changed, func(a, b types.NamespacedName) int { return strings.Compare(a.Name, b.Name) })
		if got := show(c); got != step.want || !slices.Equal(changed, step.changed) {
			t.Errorf("%s: %q, changed %v; want %q, %v", step.name, got, changed, step.want, step.changed)
		}
	}
	if len(c.services) != 1 {
		t.Errorf("%d entries are kept, want 1", len(c.services))
	}
}

func TestS2AReplacedCatalogTellsWhatWentToo(t *testing.T) {
	c := &Catalog{}
	old, kept := service(t, api, "10.96.0.8"), service(t, web, "10.96.0.7")
	if err := c.Replace([]proto.WantPod{old, kept, slice(t, "web-1", web)}); err != nil {
		t.Fatal(err)
	}
	follower := c.Follow()
	if n := len(follower.Take()); n != 2 {
		t.Errorf("a new follower is told of %d Services, want 2", n)
	}
	broken := proto.WantPod{Key: Services.Key("shop", "broken"), Body: []byte{0xff}}
	if err := c.Replace([]proto.WantPod{broken, kept}); err == nil || !strings.Contains(err.Error(), "shop/broken") {
		t.Errorf("an unreadable Service: %v", err)
	}
	if n := len(follower.Take()); n != 2 || show(c) != "web 10.96.0.7" {
		t.Errorf("%d changes, %q", n, show(c))
	}
	if err := c.Apply(&proto.WantPod{Key: proto.Resource{Name: "secrets"}.Key("shop", "x")}); err == nil {
		t.Error("a Secret was taken")
	}
	follower.Close()
	if err := c.Apply(&old); err != nil || len(follower.Take()) != 0 {
		t.Errorf("a closed follower was told, or %v", err)
	}
}

func node(t *testing.T, name, cidr string) proto.WantPod {
	t.Helper()
	n := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: corev1.NodeSpec{PodCIDR: cidr}}
	body, err := n.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return proto.WantPod{Key: Nodes.Key("", name), Body: body}
}

func TestS8ACatalogSaysWhereTheNodesAre(t *testing.T) {
	c := &Catalog{}
	told := func(what, want string, changes bool, apply func() error) {
		t.Helper()
		_, moved := c.Nodes()
		if err := apply(); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		changed := false
		select {
		case <-moved:
			changed = true
		default:
		}
		var have []string
		nodes, _ := c.Nodes()
		for _, n := range nodes {
			have = append(have, n.Name+" "+n.Spec.PodCIDR)
		}
		slices.Sort(have)
		if got := strings.Join(have, ", "); got != want || changed != changes {
			t.Errorf("%s: %q, changed %t, want %q, %t", what, got, changed, want, changes)
		}
	}
	one := func(p proto.WantPod) func() error { return func() error { return c.Apply(&p) } }
	all := func(p ...proto.WantPod) func() error { return func() error { return c.Replace(p) } }
	a, b := node(t, "a", "10.244.0.0/24"), node(t, "b", "10.244.1.0/24")
	told("the first", "a 10.244.0.0/24", true, one(a))
	told("another", "a 10.244.0.0/24, b 10.244.1.0/24", true, one(b))
	told("the same", "a 10.244.0.0/24, b 10.244.1.0/24", false, all(a, b, service(t, web, "10.96.0.7")))
	told("a Service", "a 10.244.0.0/24, b 10.244.1.0/24", false, one(service(t, api, "10.96.0.8")))
	told("another network", "a 10.244.9.0/24, b 10.244.1.0/24", true, all(node(t, "a", "10.244.9.0/24"), b))
	told("one goes", "b 10.244.1.0/24", true, one(gone(a)))
}

// TestNetworkPolicyAndWhomItSpeaksOf: what the node was told of policies, pods
// and namespaces, and which of them changed.
func TestNetworkPolicyAndWhomItSpeaksOf(t *testing.T) {
	word := func(key proto.ObjectKey, object interface{ Marshal() ([]byte, error) }) proto.WantPod {
		t.Helper()
		body, err := object.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		return proto.WantPod{Key: key, Body: body}
	}
	policy := word(Policies.Key("shop", "p"), &networkingv1.NetworkPolicy{ObjectMeta: metav1.ObjectMeta{Name: "p"}})
	pod := word(Pods.Key("shop", "p"), &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "p"}})
	namespace := word(Namespaces.Key("", "shop"), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "shop"}})
	c := &Catalog{}
	if err := c.Apply(&policy); err != nil {
		t.Fatal(err)
	}
	follower := c.FollowPolicies()
	told := func(what string, want ...proto.ObjectKey) {
		t.Helper()
		got := follower.Take()
		byText := func(a, b proto.ObjectKey) int { return strings.Compare(a.String(), b.String()) }
		slices.SortFunc(got, byText)
		slices.SortFunc(want, byText)
		if !slices.Equal(got, want) {
			t.Errorf("%s: told of %v, want %v", what, got, want)
		}
	}
	told("who begins to follow", policy.Key)
	if err := c.Replace([]proto.WantPod{pod, namespace, service(t, web, "10.96.0.7")}); err != nil {
		t.Fatal(err)
	}
	told("all at once", policy.Key, pod.Key, namespace.Key)
	if _, there := c.Policy(policy.Key); there {
		t.Error("the policy is left")
	}
	if p, there := c.Pod(pod.Key); !there || p.Name != "p" {
		t.Errorf("pod %v", p)
	}
	if n, there := c.Namespace(namespace.Key); !there || n.Name != "shop" {
		t.Errorf("namespace %v", n)
	}
	end := gone(pod)
	if err := c.Apply(&end); err != nil {
		t.Fatal(err)
	}
	told("an end", pod.Key)
	if _, there := c.Pod(pod.Key); there {
		t.Error("the pod is left")
	}
	follower.Close()
	if err := c.Apply(&policy); err != nil || len(follower.Take()) != 0 {
		t.Errorf("a closed follower was told, or %v", err)
	}
}
