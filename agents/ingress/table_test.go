package ingress

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"segno/events/ingressrule"
	"segno/events/kinds"
)

var segnoClass = []*networkingv1.IngressClass{
	{ObjectMeta: metav1.ObjectMeta{Name: "segno"}, Spec: networkingv1.IngressClassSpec{Controller: kinds.IngressController}},
	{ObjectMeta: metav1.ObjectMeta{Name: "nginx"}, Spec: networkingv1.IngressClassSpec{Controller: "k8s.io/ingress-nginx"}},
}

// entry makes an Ingress of lines: "host/path exact service", "default service",
// "host" alone. Without exact a path is a prefix.
func entry(name string, age int, lines ...string) *networkingv1.Ingress {
	out := &networkingv1.Ingress{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name, CreationTimestamp: metav1.NewTime(time.Unix(int64(1000-age), 0))},
		Spec:       networkingv1.IngressSpec{IngressClassName: ptr.To("segno")},
	}
	for _, line := range lines {
		words := strings.Fields(line)
		if words[0] == "default" {
			out.Spec.DefaultBackend = &backendOf(words[1]).Backend
			continue
		}
		host, path, _ := strings.Cut(words[0], "/")
		rule := networkingv1.IngressRule{Host: host}
		if len(words) > 1 {
			to := backendOf(words[len(words)-1])
			to.Path, to.PathType = "/"+path, ptr.To(networkingv1.PathTypePrefix)
			switch words[1] {
			case "exact":
				to.PathType = ptr.To(networkingv1.PathTypeExact)
			case "any":
				to.PathType = ptr.To(networkingv1.PathTypeImplementationSpecific)
			}
			rule.HTTP = &networkingv1.HTTPIngressRuleValue{Paths: []networkingv1.HTTPIngressPath{*to}}
		}
		out.Spec.Rules = append(out.Spec.Rules, rule)
	}
	return out
}

func backendOf(service string) *networkingv1.HTTPIngressPath {
	return &networkingv1.HTTPIngressPath{Backend: networkingv1.IngressBackend{
		Service: &networkingv1.IngressServiceBackend{Name: service, Port: networkingv1.ServiceBackendPort{Number: 80}},
	}}
}

// TestS9PathsMatchAsTheSpecificationSays has the examples of the documentation of
// Kubernetes: kind, paths, request, which matches.
func TestS9PathsMatchAsTheSpecificationSays(t *testing.T) {
	for _, c := range []struct {
		paths   string // "path" is a prefix, "path=" exact; each leads to a Service of its name
		request string
		want    string
	}{
		{"/", "/anything", "/"},
		{"/foo=", "/foo", "/foo="},
		{"/foo=", "/bar", ""},
		{"/foo=", "/foo/", ""},
		{"/foo/=", "/foo", ""},
		{"/foo", "/foo", "/foo"},
		{"/foo", "/foo/", "/foo"},
		{"/foo/", "/foo", "/foo/"},
		{"/foo/", "/foo/", "/foo/"},
		{"/aaa/bb", "/aaa/bbb", ""},
		{"/aaa/bbb", "/aaa/bbb", "/aaa/bbb"},
		{"/aaa/bbb/", "/aaa/bbb", "/aaa/bbb/"},
		{"/aaa/bbb", "/aaa/bbb/", "/aaa/bbb"},
		{"/aaa/bbb", "/aaa/bbb/ccc", "/aaa/bbb"},
		{"/aaa/bbb", "/aaa/bbbxyz", ""},
		{"/ /aaa", "/aaa/ccc", "/aaa"},
		{"/ /aaa /aaa/bbb", "/aaa/bbb", "/aaa/bbb"},
		{"/ /aaa /aaa/bbb", "/ccc", "/"},
		{"/aaa", "/ccc", ""},
		{"/foo /foo=", "/foo", "/foo="},
		// What the documentation leaves to common sense.
		{"/foo", "/Foo", ""},
		{"/foo /foo/bar=", "/foo/bar", "/foo/bar="},
		{"/foo/bar /foo/=", "/foo/", "/foo/="},
		{"/ /admin", "/public/../admin", "/admin"},
		{"/ /admin", "//admin", "/admin"},
		{"/ /admin", "/./admin/x/", "/admin"},
		{"/", "", "/"},
		{"/a/b/c", "/a/b", ""},
		{"/a/b/c /", "/a/b/c/d/e/f/g", "/a/b/c"},
	} {
		i := entry("web", 0)
		rule := networkingv1.IngressRule{}
		rule.HTTP = &networkingv1.HTTPIngressRuleValue{}
		for path := range strings.FieldsSeq(c.paths) {
			to := backendOf(path)
			to.Path, to.PathType = strings.TrimSuffix(path, "="), ptr.To(networkingv1.PathTypePrefix)
			if strings.HasSuffix(path, "=") {
				to.PathType = ptr.To(networkingv1.PathTypeExact)
			}
			rule.HTTP.Paths = append(rule.HTTP.Paths, *to)
		}
		i.Spec.Rules = []networkingv1.IngressRule{rule}
		target, _ := NewTable([]*networkingv1.Ingress{i}, segnoClass).Match("any.example.com", c.request)
		if got := target.Backend.Service.Name; got != c.want {
			t.Errorf("%s with %s: %q, want %q", c.request, c.paths, got, c.want)
		}
	}
}

func TestS9HostsMatchAsTheSpecificationSays(t *testing.T) {
	table := NewTable([]*networkingv1.Ingress{
		entry("bar", 5, "bar.foo.com/ bar", "bar.foo.com/api api"),
		entry("wild", 9, "*.foo.com/ wild", "*.foo.com/only-wild only-wild"),
		entry("all", 9, "/all all", "default fallback"),
		entry("theirs", 99, "theirs.com/ theirs"),
	}, segnoClass)
	for request, want := range map[string]string{
		"bar.foo.com/":          "bar",
		"bar.foo.com:8080/x":    "bar",
		"BAR.foo.COM./x":        "bar",
		"bar.foo.com/api/v1":    "api",
		"baz.foo.com/":          "wild",
		"baz.foo.com/only-wild": "only-wild",
		"baz.bar.foo.com/":      "fallback", // a wildcard stands for one label
		"foo.com/":              "fallback",
		"other.com/all":         "all",
		"other.com/":            "fallback",
		"/all":                  "all", // HTTP/1.0 without a host
		"[2001:db8::1]:80/all":  "all",
		"192.0.2.7/x":           "fallback",
	} {
		at := strings.LastIndex(request[:strings.Index(request+"/", "/")+1], "/")
		if at < 0 {
			at = len(request)
		}
		target, _ := table.Match(request[:at], request[at:])
		if got := target.Backend.Service.Name; got != want {
			t.Errorf("%s leads to %q, want %q", request, got, want)
		}
	}
}

func TestS9WhoseARequestIs(t *testing.T) {
	resource := entry("bucket", 0, "bucket.example.com/ x")
	resource.Spec.Rules[0].HTTP.Paths[0].Backend = networkingv1.IngressBackend{}
	foreign, annotated, ending := entry("foreign", 99, "a.example.com/ foreign"), entry("annotated", 0, "old.example.com/ old"), entry("ending", 99, "a.example.com/ ending")
	foreign.Spec.IngressClassName = ptr.To("nginx")
	annotated.Spec.IngressClassName, annotated.Annotations = nil, map[string]string{kinds.ClassAnnotation: "segno"}
	ending.DeletionTimestamp = ptr.To(metav1.Now())
	unknown, classless := entry("unknown", 99, "a.example.com/ unknown"), entry("classless", 99, "a.example.com/ classless")
	unknown.Spec.IngressClassName, classless.Spec.IngressClassName = ptr.To("nobody"), nil
	secured := entry("secured", 0, "secure.example.com/ s")
	secured.Annotations = map[string]string{ingressrule.Redirect: "true"}
	table := NewTable([]*networkingv1.Ingress{
		entry("young", 1, "a.example.com/ young", "a.example.com/more more"), entry("old", 2, "a.example.com/ old"),
		entry("b", 1, "same.example.com/ b"), entry("a", 1, "same.example.com/ a"),
		entry("own", 1, "b.example.com/x x", "default own-default"), entry("bare", 1, "c.example.com", "default bare-default"),
		entry("specific", 1, "d.example.com/x any specific"),
		resource, foreign, annotated, ending, unknown, classless, secured,
	}, segnoClass)
	var got []string
	for _, request := range []string{
		"a.example.com /", "a.example.com /more", "same.example.com /", "old.example.com /", "b.example.com /x", "b.example.com /y",
		"c.example.com /", "d.example.com /x/y", "d.example.com /", "bucket.example.com /", "secure.example.com /", "nobody.example.com /",
	} {
		host, path, _ := strings.Cut(request, " ")
		target, found := table.Match(host, path)
		line := fmt.Sprintf("%s: %s", request, target.Backend.Service.Name)
		switch {
		case !found:
			line += "-"
		case target.Backend == Backend{}:
			line += "cannot be served"
		}
		if target.Secure {
			line += " by HTTPS"
		}
		got = append(got, line)
	}
	want := []string{
		"a.example.com /: old", "a.example.com /more: more", "same.example.com /: a", "old.example.com /: old", "b.example.com /x: x",
		"b.example.com /y: own-default", "c.example.com /: bare-default", "d.example.com /x/y: specific", "d.example.com /: -",
		"bucket.example.com /: cannot be served", "secure.example.com /: s by HTTPS", "nobody.example.com /: -",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	problems := []string{
		"ingress shop/bucket: a backend that is no Service cannot be served",
		"ingress shop/young: path / of a.example.com is Ingress shop/old's, which is older",
		"ingress shop/b: path / of same.example.com is Ingress shop/a's, which is older",
	}
	slices.Sort(problems)
	if has := slices.Sorted(slices.Values(table.problems)); !slices.Equal(has, problems) {
		t.Errorf("problems %q, want %q", has, problems)
	}
}

// TestS9ADeepPathCostsNothing: a path of many elements is compared as deep as the
// table is, and no deeper.
func TestS9ADeepPathCostsNothing(t *testing.T) {
	lines := []string{"a.example.com/x/y web"}
	for n := range 50 {
		lines = append(lines, fmt.Sprintf("a.example.com/other/%d web", n))
	}
	table := NewTable([]*networkingv1.Ingress{entry("web", 0, lines...)}, segnoClass)
	deep := "/x/y" + strings.Repeat("/z", 30_000)
	took := testing.Benchmark(func(b *testing.B) {
		for b.Loop() {
			if _, ok := table.Match("a.example.com", deep); !ok {
				b.Fatal("no match")
			}
		}
	})
	if per := time.Duration(took.NsPerOp()); per > 50*time.Millisecond {
		t.Errorf("a path of 30,000 elements takes %s", per)
	}
}
