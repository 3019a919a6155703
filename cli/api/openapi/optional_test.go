package openapi

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os/exec"
	"path/filepath"
	"reflect"
	"sort"
	"strings"
	"testing"
)

// TestOptionalFields reads the comments that reflection cannot see: a field
// that is always written is required unless its comment says +optional.
func TestOptionalFields(t *testing.T) {
	want := map[string]bool{}
	for _, pkg := range []string{
		"k8s.io/api/core/v1", "k8s.io/api/apps/v1", "k8s.io/api/discovery/v1", "k8s.io/api/coordination/v1",
		"k8s.io/api/autoscaling/v1", "k8s.io/api/policy/v1", "k8s.io/api/authorization/v1", "k8s.io/api/authentication/v1",
		"k8s.io/apimachinery/pkg/apis/meta/v1",
	} {
		dir, err := exec.Command("go", "list", "-f", "{{.Dir}}", pkg).Output()
		if err != nil {
			t.Fatalf("the source of %s is not at hand: %v", pkg, err)
		}
		optionalIn(t, strings.TrimSpace(string(dir)), want)
	}
	for name := range optional {
		if !want[name] {
			t.Errorf("%s is in the table without reason", name)
		}
	}
	var missing []string
	for name := range want {
		if !optional[name] {
			missing = append(missing, name)
		}
	}
	sort.Strings(missing)
	for _, name := range missing {
		t.Errorf("%s is optional by its comment", name)
	}
}

// optionalIn adds the fields without omitempty that are marked +optional.
func optionalIn(t *testing.T, dir string, out map[string]bool) {
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%s: %v", dir, err)
	}
	for _, file := range files {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(parsed, func(n ast.Node) bool {
			spec, ok := n.(*ast.TypeSpec)
			if !ok {
				return true
			}
			structure, ok := spec.Type.(*ast.StructType)
			if !ok {
				return true
			}
			for _, f := range structure.Fields.List {
				if f.Tag == nil || !strings.Contains(f.Doc.Text(), "+optional") {
					continue
				}
				name, options, _ := strings.Cut(reflect.StructTag(strings.Trim(f.Tag.Value, "`")).Get("json"), ",")
				if name != "" && name != "-" && !strings.Contains(options, "omit") {
					out[spec.Name.Name+"."+name] = true
				}
			}
			return true
		})
	}
}
