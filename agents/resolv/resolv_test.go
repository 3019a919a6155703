package resolv

import (
	"net/netip"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestS7ParseResolvConf(t *testing.T) {
	got := Parse("# made by hand\n; so\nnameserver 192.0.2.1 # first\nnameserver\t2001:db8::1\nsearch old.example\n" +
		"domain example.org\nsearch corp.example home.example .\noptions timeout:1 attempts:2\noptions edns0\nsortlist 1.2.3.4\nnameserver\n#nameserver 1.1.1.1\n")
	want := "search corp.example home.example\nnameserver 192.0.2.1\nnameserver 2001:db8::1\noptions timeout:1 attempts:2 edns0\n"
	if got.String() != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	if text := Parse("").String(); text != "" {
		t.Errorf("of nothing: %q", text)
	}
}

func FuzzParse(f *testing.F) {
	f.Add("nameserver 1.2.3.4\nsearch a b\noptions ndots:1")
	f.Fuzz(func(t *testing.T, text string) {
		once := Parse(text).String()
		if twice := Parse(once).String(); twice != once {
			t.Errorf("%q becomes %q", once, twice)
		}
	})
}

func TestS7ResolvConfOfAPod(t *testing.T) {
	node := Conf{Servers: []string{"192.0.2.53"}, Searches: []string{"corp.example"}, Options: []string{"timeout:1"}}
	cluster := Cluster{Servers: []netip.Addr{netip.MustParseAddr("10.96.0.10")}, Node: func() Conf { return node }}
	one, empty := "1", ""
	const first = "search shop.svc.cluster.local svc.cluster.local cluster.local corp.example\nnameserver 10.96.0.10\noptions ndots:5\n"
	const nodes = "search corp.example\nnameserver 192.0.2.53\noptions timeout:1\n"
	for _, test := range []struct {
		name string
		spec corev1.PodSpec
		want string
		left string
	}{
		{"by default", corev1.PodSpec{}, first, ""},
		{"ClusterFirst", corev1.PodSpec{DNSPolicy: corev1.DNSClusterFirst}, first, ""},
		{"ClusterFirst in the node's network", corev1.PodSpec{DNSPolicy: corev1.DNSClusterFirst, HostNetwork: true}, nodes, ""},
		{"ClusterFirstWithHostNet", corev1.PodSpec{DNSPolicy: corev1.DNSClusterFirstWithHostNet, HostNetwork: true}, first, ""},
		{"Default", corev1.PodSpec{DNSPolicy: corev1.DNSDefault}, nodes, ""},
		{"None", corev1.PodSpec{DNSPolicy: corev1.DNSNone, DNSConfig: &corev1.PodDNSConfig{
			Nameservers: []string{"192.0.2.7"}, Searches: []string{"a.example"}, Options: []corev1.PodDNSConfigOption{{Name: "edns0"}, {Name: "ndots", Value: &one}},
		}}, "search a.example\nnameserver 192.0.2.7\noptions edns0 ndots:1\n", ""},
		{"merged", corev1.PodSpec{DNSConfig: &corev1.PodDNSConfig{
			Nameservers: []string{"192.0.2.7", "10.96.0.10"}, Searches: []string{"cluster.local", "a.example"},
			Options: []corev1.PodDNSConfigOption{{Name: "ndots", Value: &one}, {Name: "rotate", Value: &empty}, {Name: ""}},
		}}, "search shop.svc.cluster.local svc.cluster.local cluster.local corp.example a.example\nnameserver 10.96.0.10\nnameserver 192.0.2.7\noptions ndots:1 rotate\n", ""},
		{"too many servers", corev1.PodSpec{DNSPolicy: corev1.DNSDefault, DNSConfig: &corev1.PodDNSConfig{
			Nameservers: []string{"192.0.2.1", "192.0.2.2", "192.0.2.3"},
		}}, "search corp.example\nnameserver 192.0.2.53\nnameserver 192.0.2.1\nnameserver 192.0.2.2\noptions timeout:1\n",
			"nameservers beyond the first 3 (192.0.2.53 192.0.2.1 192.0.2.2)"},
		{"what breaks the line", corev1.PodSpec{DNSPolicy: corev1.DNSNone, DNSConfig: &corev1.PodDNSConfig{
			Nameservers: []string{"192.0.2.1\nnameserver 192.0.2.66", "192.0.2.2"}, Searches: []string{"a b", "", "c"},
		}}, "search c\nnameserver 192.0.2.2\n", ""},
	} {
		conf, left := cluster.For(&corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "shop"}, Spec: test.spec})
		if conf.String() != test.want || left != test.left {
			t.Errorf("%s: got\n%s(left out: %s) want\n%s", test.name, conf, left, test.want)
		}
	}
}

func TestS7ALoopbackServerOfTheNodeIsNotForPods(t *testing.T) {
	cluster := Cluster{
		Servers: []netip.Addr{netip.MustParseAddr("10.96.0.10")}, Domain: "example.net.",
		Node: func() Conf { return Conf{Servers: []string{"127.0.0.53", "::1"}} },
	}
	pod := &corev1.Pod{Spec: corev1.PodSpec{DNSPolicy: corev1.DNSDefault}}
	if conf, _ := cluster.For(pod); conf.String() != "nameserver 10.96.0.10\n" {
		t.Errorf("%s", conf)
	}
	pod.Spec.HostNetwork = true
	if conf, _ := cluster.For(pod); conf.String() != "nameserver 127.0.0.53\nnameserver ::1\n" {
		t.Errorf("in the node's network: %s", conf)
	}
	if got := cluster.ServiceDomain("shop"); got != "shop.svc.example.net" {
		t.Errorf("%s", got)
	}
	cluster.Node = nil
	if conf, _ := cluster.For(pod); conf.String() != "" {
		t.Errorf("without any file: %s", conf)
	}
}

func TestS7SearchDomainsHaveALimit(t *testing.T) {
	long := strings.Repeat("x", 63) + "." + strings.Repeat("y", 63) + "." + strings.Repeat("z", 63)
	for _, test := range []struct {
		name     string
		searches []string
		kept     int
	}{
		{"as many as fit", numbered(32, "short"), 32},
		{"one too many", numbered(33, "short"), 32},
		{"too long", numbered(12, long), 10},
	} {
		pod := &corev1.Pod{Spec: corev1.PodSpec{DNSPolicy: corev1.DNSNone, DNSConfig: &corev1.PodDNSConfig{Searches: test.searches}}}
		conf, left := Cluster{}.For(pod)
		if len(conf.Searches) != test.kept || (left != "") != (test.kept < len(test.searches)) {
			t.Errorf("%s: %d kept, left out %q", test.name, len(conf.Searches), left)
		}
	}
}

// TestS7OptionsHaveALimit, since Kubernetes takes any number of them.
func TestS7OptionsHaveALimit(t *testing.T) {
	var options []corev1.PodDNSConfigOption
	for range 2 {
		for _, name := range numbered(101, "o") {
			options = append(options, corev1.PodDNSConfigOption{Name: name})
		}
	}
	pod := &corev1.Pod{Spec: corev1.PodSpec{DNSPolicy: corev1.DNSNone, DNSConfig: &corev1.PodDNSConfig{Options: options}}}
	conf, left := Cluster{}.For(pod)
	if len(conf.Options) != 100 || left != "options beyond the first 100" {
		t.Errorf("%d kept, left out %q", len(conf.Options), left)
	}
}

func numbered(n int, tail string) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = string(rune('a'+i/26)) + string(rune('a'+i%26)) + "." + tail
	}
	return out
}
