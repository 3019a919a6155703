package openapi

import (
	"cmp"
	"slices"
	"strings"

	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"segno/events"
)

// group is what one document of v3 describes.
type group struct {
	gv        schema.GroupVersion
	path      string // "api/v1" or "apis/apps/v1"
	kinds     []*events.Kind
	questions []question
}

// question is a resource that is only created, for its answer.
type question struct {
	resource string
	kind     string
	object   runtime.Object
}

func groupsOf(table *events.Table) []*group {
	groups := map[schema.GroupVersion]*group{}
	at := func(gv schema.GroupVersion) *group {
		if groups[gv] == nil {
			path := "apis/" + gv.String()
			if gv.Group == "" {
				path = "api/" + gv.Version
			}
			groups[gv] = &group{gv: gv, path: path}
		}
		return groups[gv]
	}
	for _, kind := range table.All() {
		g := at(kind.GVK.GroupVersion())
		g.kinds = append(g.kinds, kind)
	}
	at(authorizationv1.SchemeGroupVersion).questions = []question{
		{"selfsubjectaccessreviews", "SelfSubjectAccessReview", &authorizationv1.SelfSubjectAccessReview{}},
		{"selfsubjectrulesreviews", "SelfSubjectRulesReview", &authorizationv1.SelfSubjectRulesReview{}},
	}
	at(authenticationv1.SchemeGroupVersion).questions = []question{
		{"selfsubjectreviews", "SelfSubjectReview", &authenticationv1.SelfSubjectReview{}},
	}
	var out []*group
	for _, g := range groups {
		slices.SortFunc(g.kinds, func(a, b *events.Kind) int { return cmp.Compare(a.Resource.Name, b.Resource.Name) })
		out = append(out, g)
	}
	slices.SortFunc(out, func(a, b *group) int { return cmp.Compare(a.path, b.path) })
	return out
}

// tag groups operations in a document: core_v1, apps_v1, rbacAuthorization_v1.
func (g *group) tag() string {
	name := g.gv.Group
	if name == "" {
		name = "core"
	}
	parts := strings.Split(strings.TrimSuffix(name, ".k8s.io"), ".")
	for i := range parts[1:] {
		parts[i+1] = title(parts[i+1])
	}
	return strings.Join(parts, "") + "_" + g.gv.Version
}

func title(word string) string {
	if word == "" {
		return ""
	}
	return strings.ToUpper(word[:1]) + word[1:]
}
