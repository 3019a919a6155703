package discovery

import (
	apidiscoveryv2 "k8s.io/api/apidiscovery/v2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"segno/events"
	"segno/proto"
)

// resource describes one resource.
type resource struct {
	name       string
	singular   string
	kind       string
	namespaced bool
	verbs      []string
	shortNames []string
	categories []string
	subs       []subresource
}

// subresource describes a part of a resource. An empty gv is the resource's own.
type subresource struct {
	name  string
	kind  string
	gv    schema.GroupVersion
	verbs []string
}

var (
	allVerbs     = []string{"create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"}
	sectionVerbs = []string{"get", "patch", "update"}
)

// known describes the subresources that a kind may name; an empty kind is the
// resource's own.
var known = map[string]subresource{
	"attach":      {kind: "PodAttachOptions", verbs: []string{"create", "get"}},
	"binding":     {kind: "Binding", verbs: []string{"create"}},
	"eviction":    {kind: "Eviction", gv: schema.GroupVersion{Group: "policy", Version: "v1"}, verbs: []string{"create"}},
	"exec":        {kind: "PodExecOptions", verbs: []string{"create", "get"}},
	"finalize":    {verbs: []string{"update"}},
	"log":         {verbs: []string{"get"}},
	"portforward": {kind: "PodPortForwardOptions", verbs: []string{"create", "get"}},
	"resize":      {verbs: sectionVerbs},
	"scale":       {kind: "Scale", gv: schema.GroupVersion{Group: "autoscaling", Version: "v1"}, verbs: sectionVerbs},
	"status":      {verbs: sectionVerbs},
}

func resourceOf(kind *events.Kind) resource {
	r := resource{
		name: kind.Resource.Name, singular: kind.Singular, kind: kind.GVK.Kind, namespaced: kind.Namespaced,
		verbs: allVerbs, shortNames: kind.ShortNames, categories: kind.Categories,
	}
	names := kind.Subresources
	if kind.HasStatus {
		names = append([]string{"status"}, names...)
	}
	seen := map[string]bool{}
	for _, name := range names {
		sub, ok := known[name]
		if !ok {
			sub = subresource{verbs: sectionVerbs}
		}
		if sub.name = name; sub.kind == "" {
			sub.kind = r.kind
		}
		if !seen[name] {
			r.subs = append(r.subs, sub)
		}
		seen[name] = true
	}
	return r
}

// extras are the resources that the API answers without keeping objects.
func extras(table *events.Table) map[schema.GroupVersion][]resource {
	question := func(name, kind string) resource {
		return resource{name: name, singular: name[:len(name)-1], kind: kind, verbs: []string{"create"}}
	}
	out := map[schema.GroupVersion][]resource{
		{Group: "authentication.k8s.io", Version: "v1"}: {question("selfsubjectreviews", "SelfSubjectReview")},
		{Group: "authorization.k8s.io", Version: "v1"}: {
			question("selfsubjectaccessreviews", "SelfSubjectAccessReview"),
			question("selfsubjectrulesreviews", "SelfSubjectRulesReview"),
		},
	}
	if table.Of(proto.Resource{Name: "pods"}) != nil {
		binding := question("bindings", "Binding")
		binding.namespaced = true
		out[schema.GroupVersion{Version: "v1"}] = []resource{binding}
	}
	return out
}

func (r resource) plain() []metav1.APIResource {
	out := []metav1.APIResource{{
		Name: r.name, SingularName: r.singular, Namespaced: r.namespaced, Kind: r.kind,
		Verbs: r.verbs, ShortNames: r.shortNames, Categories: r.categories,
	}}
	for _, sub := range r.subs {
		out = append(out, metav1.APIResource{
			Name: r.name + "/" + sub.name, Namespaced: r.namespaced,
			Group: sub.gv.Group, Version: sub.gv.Version, Kind: sub.kind, Verbs: sub.verbs,
		})
	}
	return out
}

func (r resource) aggregated(gv schema.GroupVersion) apidiscoveryv2.APIResourceDiscovery {
	out := apidiscoveryv2.APIResourceDiscovery{
		Resource: r.name, SingularResource: r.singular, Scope: apidiscoveryv2.ScopeCluster,
		ResponseKind: &metav1.GroupVersionKind{Group: gv.Group, Version: gv.Version, Kind: r.kind},
		Verbs:        r.verbs, ShortNames: r.shortNames, Categories: r.categories,
	}
	if r.namespaced {
		out.Scope = apidiscoveryv2.ScopeNamespace
	}
	for _, sub := range r.subs {
		of := sub.gv
		if of.Empty() {
			of = gv
		}
		out.Subresources = append(out.Subresources, apidiscoveryv2.APISubresourceDiscovery{
			Subresource: sub.name, Verbs: sub.verbs,
			ResponseKind: &metav1.GroupVersionKind{Group: of.Group, Version: of.Version, Kind: sub.kind},
		})
	}
	return out
}
