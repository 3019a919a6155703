package openapi

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"

	"k8s.io/client-go/openapi/openapitest"

	"segno/events/kinds"
)

// real are the models that an API server of Kubernetes gives for a group.
func real(t *testing.T, group string) map[string]any {
	t.Helper()
	paths, err := openapitest.NewEmbeddedFileClient().Paths()
	if err != nil {
		t.Fatal(err)
	}
	data, err := paths[group].Schema("application/json")
	if err != nil {
		t.Fatal(err)
	}
	return schemas(t, data)
}

func schemas(t *testing.T, data []byte) map[string]any {
	t.Helper()
	var doc struct {
		Components struct {
			Schemas map[string]any `json:"schemas"`
		} `json:"components"`
	}
	if err := json.Unmarshal(data, &doc); err != nil {
		t.Fatal(err)
	}
	return doc.Components.Schemas
}

// TestO10ModelsAreThoseOfKubernetes compares every model with the real server's:
// properties, their types, required fields and patch keys. Fields that only one
// of the two versions knows are left out.
func TestO10ModelsAreThoseOfKubernetes(t *testing.T) {
	d := New(Config{Table: kinds.Table(), Version: "v1"})
	compared := 0
	for _, group := range []string{"api/v1", "apis/apps/v1", "apis/discovery.k8s.io/v1"} {
		doc, found, err := d.Find("/openapi/v3/"+group, "application/json")
		if err != nil || !found {
			t.Fatal(group, found, err)
		}
		want := real(t, group)
		for name, model := range schemas(t, doc.Body) {
			if known, ok := want[name].(map[string]any); ok {
				compareModel(t, name, model.(map[string]any), known)
				compared++
			}
		}
	}
	if compared < 250 {
		t.Errorf("only %d models were compared", compared)
	}
}

func compareModel(t *testing.T, name string, got, want map[string]any) {
	for _, key := range []string{"type", "format", "oneOf"} {
		if !reflect.DeepEqual(got[key], want[key]) {
			t.Errorf("%s: %s: got %v, want %v", name, key, got[key], want[key])
		}
	}
	have, _ := got["properties"].(map[string]any)
	known, _ := want["properties"].(map[string]any)
	for field, value := range have {
		if known[field] == nil {
			continue
		}
		short := name[strings.LastIndex(name, ".")+1:] + "." + field
		if newer[short] {
			continue
		}
		if a, b := requires(got, field), requires(want, field); a != b && !optional[short] {
			t.Errorf("%s.%s: required is %v, want %v", name, field, a, b)
		}
		a, b := shape(value), shape(known[field])
		if !reflect.DeepEqual(a, b) {
			t.Errorf("%s.%s: got %v, want %v", name, field, a, b)
		}
	}
}

// newer are fields that Kubernetes has changed since the documents at hand.
var newer = map[string]bool{
	"PodIP.ip":                            true, // required since 1.29
	"HostAlias.ip":                        true,
	"LabelSelectorRequirement.key":        true, // no patch key since 1.27
	"PersistentVolumeClaimSpec.resources": true, // a type of its own since 1.29
}

func requires(model map[string]any, field string) bool {
	list, _ := model["required"].([]any)
	return slices.Contains(list, any(field))
}

// shape leaves out what only decorates, and what the Go types do not say:
// defaults, lists as sets and maps.
func shape(value any) any {
	m, ok := value.(map[string]any)
	if !ok {
		return value
	}
	out := map[string]any{}
	for _, key := range []string{"type", "format", "$ref", "items", "additionalProperties", extensionKey, extensionMerge} {
		if m[key] != nil {
			out[key] = shape(m[key])
		}
	}
	if all, ok := m["allOf"].([]any); ok && len(all) == 1 {
		out["$ref"] = all[0].(map[string]any)["$ref"]
	}
	return out
}
