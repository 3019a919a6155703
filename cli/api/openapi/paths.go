package openapi

import (
	"slices"

	autoscalingv1 "k8s.io/api/autoscaling/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"segno/events"
)

// paths adds everything that can be done in a group.
func (m *models) paths(g *group, into node) {
	for _, kind := range g.kinds {
		m.kindPaths(g, kind, into)
	}
	for _, q := range g.questions {
		gvk := g.gv.WithKind(q.kind)
		name := m.add(q.object, gvk)
		into["/"+g.path+"/"+q.resource] = node{"post": m.operation(g.tag(), operation{
			id: "create" + title(g.tag()) + q.kind, action: "post", text: "create a " + q.kind, gvk: gvk,
			params: append(slices.Clone(writing), pretty), body: name, answer: name, code: "201",
		})}
	}
}

// place is one kind among the paths.
type place struct {
	*models
	group  *group
	kind   *events.Kind
	object string // models
	list   string
	status string
	scope  []parameter
}

func (m *models) kindPaths(g *group, kind *events.Kind, into node) {
	listKind := kind.GVK
	listKind.Kind += "List"
	p := place{
		models: m, group: g, kind: kind,
		object: m.add(kind.New(), kind.GVK), list: m.add(kind.NewList(), listKind),
		status: m.add(&metav1.Status{}),
	}
	root := "/" + g.path
	if kind.Namespaced {
		into[root+"/"+kind.Resource.Name] = node{"get": p.do("list", "ForAllNamespaces")}
		root += "/namespaces/{namespace}"
		p.scope = []parameter{pathNamespace}
	}
	root += "/" + kind.Resource.Name
	into[root] = node{"get": p.do("list", ""), "post": p.do("post", ""), "delete": p.do("deletecollection", "")}
	p.scope = append([]parameter{pathName}, p.scope...)
	root += "/{name}"
	into[root] = node{"get": p.do("get", ""), "put": p.do("put", ""), "patch": p.do("patch", ""), "delete": p.do("delete", "")}
	if kind.HasStatus {
		into[root+"/status"] = p.section("Status")
	}
	for _, sub := range kind.Subresources {
		if sub != "status" {
			into[root+"/"+sub] = p.subresource(sub)
		}
	}
}

// do is one operation on the kind itself.
func (p place) do(action, suffix string) node {
	o := operation{action: action, gvk: p.kind.GVK, params: slices.Clone(p.scope), answer: p.object, code: "200"}
	verb := action
	switch action {
	case "list":
		o.params, o.answer = append(o.params, listing...), p.list
	case "post":
		verb, o.body, o.code = "create", p.object, "201"
		o.params = append(o.params, writing...)
	case "put":
		verb, o.body = "replace", p.object
		o.params = append(o.params, writing...)
	case "patch":
		o.body = p.add(&metav1.Patch{})
		o.params = append(append(o.params, writing...), forcing)
	case "delete":
		o.body, o.answer = p.add(&metav1.DeleteOptions{}), p.status
		o.params = append(o.params, deleting...)
	case "deletecollection":
		verb, o.body, o.answer = "deleteCollection", p.add(&metav1.DeleteOptions{}), p.status
		o.params = append(append(o.params, listing...), deleting...)
	}
	o.params = append(o.params, pretty)
	return p.write(verb, suffix, o)
}

func (p place) write(verb, suffix string, o operation) node {
	scope := ""
	if p.kind.Namespaced && suffix != "ForAllNamespaces" {
		scope = "Namespaced"
	}
	o.id = verb + title(p.group.tag()) + scope + p.kind.GVK.Kind + suffix
	o.text = verb + " " + p.kind.GVK.Kind
	if suffix != "" && scope != "" {
		o.text += ": " + suffix
	}
	return p.operation(p.group.tag(), o)
}

// section is a subresource that is the object, of which a part may change.
func (p place) section(suffix string) node {
	return node{"get": p.do("get", suffix), "put": p.do("put", suffix), "patch": p.do("patch", suffix)}
}

// subresource describes one of the kind's others.
func (p place) subresource(sub string) node {
	params := append(slices.Clone(p.scope), pretty)
	one := func(action string, value any, gvk schema.GroupVersionKind) operation {
		model := p.add(value, gvk)
		o := operation{action: action, gvk: gvk, params: slices.Clone(params), answer: model, code: "200"}
		switch action {
		case "post":
			o.params, o.body, o.code = append(o.params, writing...), model, "201"
		case "put":
			o.params, o.body = append(o.params, writing...), model
		case "patch":
			o.params, o.body = append(append(o.params, writing...), forcing), p.add(&metav1.Patch{})
		}
		return o
	}
	switch sub {
	case "scale":
		gvk := autoscalingv1.SchemeGroupVersion.WithKind("Scale")
		return node{
			"get":   p.write("read", "Scale", one("get", &autoscalingv1.Scale{}, gvk)),
			"put":   p.write("replace", "Scale", one("put", &autoscalingv1.Scale{}, gvk)),
			"patch": p.write("patch", "Scale", one("patch", &autoscalingv1.Scale{}, gvk)),
		}
	case "binding":
		return node{"post": p.write("create", "Binding", one("post", &corev1.Binding{}, corev1.SchemeGroupVersion.WithKind("Binding")))}
	case "eviction":
		return node{"post": p.write("create", "Eviction", one("post", &policyv1.Eviction{}, policyv1.SchemeGroupVersion.WithKind("Eviction")))}
	case "finalize":
		return node{"put": p.do("put", "Finalize")}
	case "log":
		return node{"get": p.write("read", "Log", operation{action: "get", gvk: p.kind.GVK, params: params, code: "200"})}
	case "exec", "attach", "portforward":
		connect := operation{action: "connect", gvk: p.kind.GVK, params: params, code: "200"}
		return node{"get": p.write("connectGet", title(sub), connect), "post": p.write("connectPost", title(sub), connect)}
	default:
		return p.section(title(sub))
	}
}
