package ingress

import (
	"cmp"
	"fmt"
	"net"
	"slices"
	"strings"

	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/types"

	"segno/events/ingressrule"
)

// Backend is a port of a Service.
type Backend struct {
	Service types.NamespacedName
	Port    networkingv1.ServiceBackendPort
}

// Target is where a request goes.
type Target struct {
	Ingress types.NamespacedName // that says so
	Backend Backend              // none is a backend that cannot be served
	// Secure says that a plain request is to come again by HTTPS.
	Secure bool
}

// Table says where requests go. It does not change.
type Table struct {
	hosts    map[string]*paths // by name, "*.example.com" for wildcards, "" for all
	defaults map[string]Target // by the same: where a request goes for which there is no path
	backends map[Backend]struct{}
	problems []string
}

// NewTable makes the table of all Ingresses of classes that nodes serve. Where two
// want the same, the older one has it.
func NewTable(ingresses []*networkingv1.Ingress, classes []*networkingv1.IngressClass) *Table {
	t := &Table{hosts: map[string]*paths{}, defaults: map[string]Target{}, backends: map[Backend]struct{}{}}
	for _, ingress := range served(ingresses, classes) {
		t.add(ingress)
	}
	return t
}

// served are the Ingresses that nodes serve, the oldest first.
func served(ingresses []*networkingv1.Ingress, classes []*networkingv1.IngressClass) []*networkingv1.Ingress {
	ours := ingressrule.Classes(classes)
	out := slices.DeleteFunc(slices.Clone(ingresses), func(i *networkingv1.Ingress) bool { return !ingressrule.Served(i, ours) })
	slices.SortFunc(out, func(a, b *networkingv1.Ingress) int {
		return cmp.Or(a.CreationTimestamp.Compare(b.CreationTimestamp.Time), cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
	return out
}

func (t *Table) add(ingress *networkingv1.Ingress) {
	spec := &ingress.Spec
	if len(spec.Rules) == 0 {
		t.setDefault("", ingress)
	}
	for i := range spec.Rules {
		rule := &spec.Rules[i]
		host := strings.ToLower(rule.Host)
		t.setDefault(host, ingress)
		if rule.HTTP == nil {
			continue
		}
		for j := range rule.HTTP.Paths {
			t.addPath(host, &rule.HTTP.Paths[j], ingress)
		}
	}
}

func (t *Table) addPath(host string, path *networkingv1.HTTPIngressPath, ingress *networkingv1.Ingress) {
	of := t.hosts[host]
	if of == nil {
		of = &paths{exact: map[string]Target{}, prefixes: map[string]Target{}}
		t.hosts[host] = of
	}
	exact := path.PathType != nil && *path.PathType == networkingv1.PathTypeExact
	target := t.target(ingress, &path.Backend)
	if has, taken := of.add(cmp.Or(path.Path, "/"), exact, target); taken && has.Ingress != target.Ingress {
		t.problem(ingress, "path %s of %s is Ingress %s's, which is older", cmp.Or(path.Path, "/"), hostText(host), has.Ingress)
	}
}

// setDefault makes the default backend of an Ingress, if it has one, that of a host.
func (t *Table) setDefault(host string, ingress *networkingv1.Ingress) {
	if ingress.Spec.DefaultBackend == nil {
		return
	}
	target := t.target(ingress, ingress.Spec.DefaultBackend)
	switch has, taken := t.defaults[host]; {
	case !taken:
		t.defaults[host] = target
	case has.Ingress != target.Ingress:
		t.problem(ingress, "the default backend of %s is Ingress %s's, which is older", hostText(host), has.Ingress)
	}
}

func (t *Table) target(ingress *networkingv1.Ingress, backend *networkingv1.IngressBackend) Target {
	target := Target{
		Ingress: types.NamespacedName{Namespace: ingress.Namespace, Name: ingress.Name},
		Secure:  ingress.Annotations[ingressrule.Redirect] == "true",
	}
	if backend.Service == nil {
		t.problem(ingress, "a backend that is no Service cannot be served")
		return target
	}
	target.Backend = Backend{
		Service: types.NamespacedName{Namespace: ingress.Namespace, Name: backend.Service.Name}, Port: backend.Service.Port,
	}
	t.backends[target.Backend] = struct{}{}
	return target
}

func (t *Table) problem(ingress *networkingv1.Ingress, format string, args ...any) {
	t.problems = append(t.problems, fmt.Sprintf("ingress %s/%s: ", ingress.Namespace, ingress.Name)+fmt.Sprintf(format, args...))
}

// Match answers where a request goes: the host is that of the request, with or
// without a port. The most specific host that has a path for it wins.
func (t *Table) Match(host, path string) (Target, bool) {
	names := candidates(bare(host))
	path = clean(path)
	for _, name := range names {
		if target, ok := t.hosts[name].match(path); ok {
			return target, true
		}
	}
	for _, name := range names {
		if target, ok := t.defaults[name]; ok {
			return target, true
		}
	}
	return Target{}, false
}

// Empty says that nothing is served.
func (t *Table) Empty() bool { return len(t.hosts) == 0 && len(t.defaults) == 0 }

// candidates are the names under which a host may be found, the most specific first.
func candidates(host string) []string {
	if _, parent, ok := strings.Cut(host, "."); ok && parent != "" {
		return []string{host, "*." + parent, ""}
	}
	return []string{host, ""}
}

// bare is a host in lower case, without a port or the final dot.
func bare(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	return strings.ToLower(strings.TrimSuffix(host, "."))
}

func hostText(host string) string {
	if host == "" {
		return "all hosts"
	}
	return host
}
