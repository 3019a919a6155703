package api_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	openapi_v2 "github.com/google/gnostic-models/openapiv2"
	"google.golang.org/protobuf/proto"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/discovery"

	"segno/cli/api/apitest"
)

// TestO10Discovery walks both forms of discovery to the same resources.
func TestO10Discovery(t *testing.T) {
	c := apitest.New(t, nil)
	seen := map[bool]string{}
	for _, legacy := range []bool{false, true} {
		client, err := discovery.NewDiscoveryClientForConfig(c.Config())
		if err != nil {
			t.Fatal(err)
		}
		client.UseLegacyDiscovery = legacy
		_, lists, err := client.ServerGroupsAndResources()
		if err != nil {
			t.Fatal(err)
		}
		var out []string
		for _, list := range lists {
			for _, r := range list.APIResources {
				slices.Sort(r.Verbs)
				out = append(out, fmt.Sprintf("%s %s %s %v %v %v %s/%s", list.GroupVersion, r.Name, r.Kind, r.Namespaced, r.Verbs, r.ShortNames, r.Group, r.Version))
			}
		}
		slices.Sort(out)
		seen[legacy] = strings.Join(out, "\n")
	}
	for _, want := range []string{
		"v1 pods Pod true [create delete deletecollection get list patch update watch] [po] ",
		"v1 pods/log Pod true [get] [] ", "v1 pods/exec PodExecOptions true [create get]", "v1 pods/eviction Eviction true [create] [] policy/v1",
		"v1 bindings Binding true [create]", "v1 nodes Node false", "v1 namespaces/finalize Namespace false [update]",
		"apps/v1 deployments Deployment true", "apps/v1 deployments/scale Scale true [get patch update] [] autoscaling/v1", "apps/v1 deployments/status Deployment true [get patch update]",
		"authorization.k8s.io/v1 selfsubjectaccessreviews SelfSubjectAccessReview false [create]",
	} {
		if !strings.Contains(seen[true], want) {
			t.Errorf("the old form lacks %q in\n%s", want, seen[true])
		}
	}
	// The new form names the group of every answer, the old one only of foreign ones.
	lines := func(legacy bool) (out []string) {
		for _, line := range strings.Split(seen[legacy], "\n") {
			out = append(out, line[:strings.LastIndex(line, " ")])
		}
		return out
	}
	if !slices.Equal(lines(false), lines(true)) {
		t.Errorf("the two forms differ:\n%s\n----\n%s", seen[false], seen[true])
	}
}

// TestDiscoveryForms looks at what each form's headers say.
func TestDiscoveryForms(t *testing.T) {
	c := client{t, apitest.New(t, nil)}
	for version, want := range map[string]string{"v2": "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList", "v2beta1": "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList", "v7": "application/json"} {
		for _, path := range []string{"/api", "/apis"} {
			got := c.get(path, "Accept: application/json;g=apidiscovery.k8s.io;v="+version+";as=APIGroupDiscoveryList,application/json")
			if got.header.Get("Content-Type") != want {
				t.Errorf("%s %s: %v", path, version, got.header)
			}
			if etag := got.header.Get("ETag"); etag != "" {
				if again := c.get(path, "Accept: "+want, "If-None-Match: "+etag); again.code != 304 || again.body != "" {
					t.Errorf("%+v", again)
				}
			}
		}
	}
	var versions metav1.APIVersions
	c.into(c.get("/api"), 200, &versions)
	if versions.Kind != "APIVersions" || len(versions.Versions) != 1 || versions.ServerAddressByClientCIDRs[0].ServerAddress == "" {
		t.Errorf("%+v", versions)
	}
	var group metav1.APIGroup
	c.into(c.get("/apis/apps"), 200, &group)
	if group.PreferredVersion.GroupVersion != "apps/v1" {
		t.Errorf("%+v", group)
	}
	var root struct{ Paths []string }
	c.into(c.get("/"), 200, &root)
	for _, path := range root.Paths {
		if got := c.get(path); got.code != 200 {
			t.Errorf("%s is listed, and answers %d", path, got.code)
		}
	}
	c.status(c.get("/apis/none"), 404, metav1.StatusReasonNotFound, "could not find")
}

// TestO10OpenAPIDocuments checks index, hashes and forms, and that every $ref
// leads somewhere.
func TestO10OpenAPIDocuments(t *testing.T) {
	c := client{t, apitest.New(t, nil)}
	var index struct {
		Paths map[string]struct{ ServerRelativeURL string }
	}
	c.into(c.get("/openapi/v3"), 200, &index)
	if len(index.Paths) < 4 {
		t.Fatalf("%+v", index)
	}
	for path, entry := range index.Paths {
		got := c.get(entry.ServerRelativeURL)
		if !strings.Contains(got.header.Get("Cache-Control"), "immutable") || got.header.Get("ETag") == "" {
			t.Errorf("%s: %v", path, got.header)
		}
		if again := c.get("/openapi/v3/"+path, "If-None-Match: "+got.header.Get("ETag")); again.code != 304 {
			t.Errorf("%s: %d", path, again.code)
		}
		var doc map[string]any
		c.into(got, 200, &doc)
		refs(t, path, doc, "#/components/schemas/", doc["components"].(map[string]any)["schemas"].(map[string]any))
	}
	var two map[string]any
	c.into(c.get("/openapi/v2"), 200, &two)
	refs(t, "v2", two, "#/definitions/", two["definitions"].(map[string]any))
	binary := c.get("/openapi/v2", "Accept: application/com.github.proto-openapi.spec.v2@v1.0+protobuf")
	parsed := &openapi_v2.Document{}
	if err := proto.Unmarshal([]byte(binary.body), parsed); err != nil || len(parsed.Definitions.AdditionalProperties) != len(two["definitions"].(map[string]any)) {
		t.Errorf("%v", err)
	}
	c.status(c.get("/openapi/v3/apis/none/v1"), 404, metav1.StatusReasonNotFound, "could not find")
}

func refs(t *testing.T, where string, value any, prefix string, models map[string]any) {
	t.Helper()
	switch v := value.(type) {
	case map[string]any:
		if ref, ok := v["$ref"].(string); ok && models[strings.TrimPrefix(ref, prefix)] == nil {
			t.Errorf("%s: %s leads nowhere", where, ref)
		}
		for key, item := range v {
			refs(t, where+"."+key, item, prefix, models)
		}
	case []any:
		for _, item := range v {
			refs(t, where, item, prefix, models)
		}
	}
}
