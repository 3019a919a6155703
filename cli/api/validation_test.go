package api_test

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"k8s.io/client-go/discovery"
	"k8s.io/kubectl/pkg/util/openapi"
	"k8s.io/kubectl/pkg/validation"

	"segno/cli/api/apitest"
)

// TestO6ClientSideValidation lets kubectl's own validation judge the course's
// manifests by our schemas, and mistakes in them.
func TestO6ClientSideValidation(t *testing.T) {
	c := apitest.New(t, nil)
	client, err := discovery.NewDiscoveryClientForConfig(c.Config())
	if err != nil {
		t.Fatal(err)
	}
	schema := validation.NewSchemaValidation(resources{openapi.NewOpenAPIParser(openapi.NewOpenAPIGetter(client))})
	course, err := os.ReadFile("testdata/course.yaml")
	if err != nil {
		t.Fatal(err)
	}
	manifests := bytes.Split(course, []byte("\n---\n"))
	if len(manifests) < 15 {
		t.Fatalf("only %d manifests", len(manifests))
	}
	for _, manifest := range manifests {
		if err := schema.ValidateBytes(manifest); err != nil {
			t.Errorf("%v in\n%s", err, manifest)
		}
	}
	first := string(manifests[0])
	for _, test := range []struct{ old, new, text string }{
		{"replicas: 1", "replcas: 1", `unknown field "replcas" in io.k8s.api.apps.v1.DeploymentSpec`},
		{"replicas: 1", "replicas: one", `invalid type for io.k8s.api.apps.v1.DeploymentSpec.replicas: got "string", expected "integer"`},
		{"- name: nginx\t", "- nme: nginx\t", `missing required field "name" in io.k8s.api.core.v1.Container`},
		{"  selector:", "  chooser:", `missing required field "selector" in io.k8s.api.apps.v1.DeploymentSpec`},
	} {
		bad := strings.Replace(first, test.old, test.new, 1)
		if err := schema.ValidateBytes([]byte(bad)); err == nil || !strings.Contains(err.Error(), test.text) {
			t.Errorf("%s: %v", test.new, err)
		}
	}
	raw := as(t, c)
	for _, manifest := range manifests {
		text := string(manifest)
		path, known := map[string]string{
			"Deployment": deploymentsPath, "ReplicaSet": "/apis/apps/v1/namespaces/default/replicasets", "Pod": "/api/v1/namespaces/default/pods",
			"Namespace": "/api/v1/namespaces", "Node": "/api/v1/nodes", "Endpoints": "/api/v1/namespaces/default/endpoints",
		}[kindIn(text)]
		if !known {
			continue
		}
		got := raw.do("POST", path+"?dryRun=All&fieldValidation=Strict", text, "Content-Type: application/yaml")
		if got.code != 201 {
			t.Errorf("%d %s for\n%s", got.code, got.body, text)
		}
	}
}

// resources gives kubectl's validation what kubectl's parser read.
type resources struct{ *openapi.CachedOpenAPIParser }

func (r resources) OpenAPISchema() (openapi.Resources, error) { return r.Parse() }

func as(t *testing.T, c *apitest.Cluster) client { return client{t, c} }

func kindIn(manifest string) string {
	for _, line := range strings.Split(manifest, "\n") {
		if rest, ok := strings.CutPrefix(line, "kind:"); ok {
			return strings.Fields(rest)[0]
		}
	}
	return ""
}
