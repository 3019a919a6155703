package discovery

import (
	"encoding/json"
	"slices"
	"strings"

	apidiscoveryv2 "k8s.io/api/apidiscovery/v2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"segno/events"
)

// group is one API group with its versions.
type group struct {
	name     string
	versions []version
}

// version is the resources of one group and version.
type version struct {
	name      string
	resources []resource
}

// groupsOf gathers the table's kinds and the questions about oneself by group:
// the core group first, the others by name.
func groupsOf(table *events.Table) []group {
	byGV := map[schema.GroupVersion][]resource{}
	for _, kind := range table.All() {
		gv := kind.GVK.GroupVersion()
		byGV[gv] = append(byGV[gv], resourceOf(kind))
	}
	for gv, extra := range extras(table) {
		byGV[gv] = append(byGV[gv], extra...)
	}
	byName := map[string]*group{}
	for gv, resources := range byGV {
		slices.SortFunc(resources, func(a, b resource) int { return strings.Compare(a.name, b.name) })
		if byName[gv.Group] == nil {
			byName[gv.Group] = &group{name: gv.Group}
		}
		byName[gv.Group].versions = append(byName[gv.Group].versions, version{gv.Version, resources})
	}
	var out []group
	for _, g := range byName {
		slices.SortFunc(g.versions, func(a, b version) int { return strings.Compare(b.name, a.name) })
		out = append(out, *g)
	}
	slices.SortFunc(out, func(a, b group) int { return strings.Compare(a.name, b.name) })
	return out
}

func (g group) path(version string) string {
	if g.name == "" {
		return "/api/" + version
	}
	return "/apis/" + g.name + "/" + version
}

func (g group) plain() metav1.APIGroup {
	out := metav1.APIGroup{Name: g.name}
	for _, v := range g.versions {
		out.Versions = append(out.Versions, metav1.GroupVersionForDiscovery{
			GroupVersion: schema.GroupVersion{Group: g.name, Version: v.name}.String(), Version: v.name,
		})
	}
	out.PreferredVersion = out.Versions[0]
	return out
}

// list is the old form: subresources are resources with a slash.
func (v version) list(group string) metav1.APIResourceList {
	out := metav1.APIResourceList{
		TypeMeta:     metav1.TypeMeta{Kind: "APIResourceList", APIVersion: "v1"},
		GroupVersion: schema.GroupVersion{Group: group, Version: v.name}.String(),
		APIResources: []metav1.APIResource{},
	}
	for _, r := range v.resources {
		out.APIResources = append(out.APIResources, r.plain()...)
	}
	return out
}

// aggregate is the new form, of the core group or of all others.
func aggregate(form Form, groups []group, core bool) Document {
	out := apidiscoveryv2.APIGroupDiscoveryList{Items: []apidiscoveryv2.APIGroupDiscovery{}}
	out.Kind, out.APIVersion = "APIGroupDiscoveryList", "apidiscovery.k8s.io/"+string(form)
	for _, g := range groups {
		if (g.name == "") != core {
			continue
		}
		item := apidiscoveryv2.APIGroupDiscovery{ObjectMeta: metav1.ObjectMeta{Name: g.name}}
		for _, v := range g.versions {
			entry := apidiscoveryv2.APIVersionDiscovery{Version: v.name, Freshness: apidiscoveryv2.DiscoveryFreshnessCurrent}
			for _, r := range v.resources {
				entry.Resources = append(entry.Resources, r.aggregated(schema.GroupVersion{Group: g.name, Version: v.name}))
			}
			item.Versions = append(item.Versions, entry)
		}
		out.Items = append(out.Items, item)
	}
	body, _ := json.Marshal(out) // plain structs cannot fail
	return tagged(Document{
		Type: typeJSON + ";g=apidiscovery.k8s.io;v=" + string(form) + ";as=APIGroupDiscoveryList",
		Body: body,
	})
}
