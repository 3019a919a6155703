package kinds_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	sigsyaml "sigs.k8s.io/yaml"

	"segno/events"
	"segno/events/kinds"
)

var update = flag.Bool("update", false, "write what the tests get into testdata")

var table = kinds.Table()

// now is the time at which every row of these tests is looked at.
var now = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// load decodes one document strictly: an unknown field fails the test.
func load(t testing.TB, doc []byte) (*events.Kind, events.Object) {
	t.Helper()
	var typed metav1.TypeMeta
	if err := sigsyaml.Unmarshal(doc, &typed); err != nil {
		t.Fatalf("read the type of\n%s\n%v", doc, err)
	}
	kind := table.ForKind(schema.FromAPIVersionAndKind(typed.APIVersion, typed.Kind))
	if kind == nil {
		t.Fatalf("no kind %s in the table, for\n%s", typed.GroupVersionKind(), doc)
	}
	obj := kind.New()
	if err := sigsyaml.UnmarshalStrict(doc, obj); err != nil {
		t.Fatalf("decode\n%s\n%v", doc, err)
	}
	return kind, obj
}

// documents splits a YAML stream.
func documents(t *testing.T, data []byte) [][]byte {
	t.Helper()
	var docs [][]byte
	for _, doc := range bytes.Split(data, []byte("\n---\n")) {
		if len(bytes.TrimSpace(doc)) > 0 {
			docs = append(docs, doc)
		}
	}
	if len(docs) == 0 {
		t.Fatalf("no document in %q", data)
	}
	return docs
}

// defaulted is an object as a creation makes it, up to admission.
func defaulted(t *testing.T, doc []byte) (*events.Kind, events.Object) {
	t.Helper()
	kind, obj := load(t, doc)
	if kind.Namespaced && obj.GetNamespace() == "" {
		obj.SetNamespace("default")
	}
	if kind.Default != nil {
		kind.Default(obj)
	}
	return kind, obj
}

func created(t *testing.T, doc []byte) (*events.Kind, events.Object) {
	t.Helper()
	kind, obj := defaulted(t, doc)
	if kind.PrepareCreate != nil {
		kind.PrepareCreate(obj)
	}
	return kind, obj
}

func dump(t *testing.T, obj any) string {
	t.Helper()
	out, err := sigsyaml.Marshal(obj)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// golden runs one check for each case of the archives that match; a case is the
// files that share the name before the first dot, and what the check answers
// is compared with the case's file of the given suffix.
func golden(t *testing.T, pattern, suffix string, check func(t *testing.T, files map[string][]byte) string) {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join("testdata", pattern))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no archives %s: %v", pattern, err)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) { goldenFile(t, path, suffix, check) })
	}
}

func goldenFile(t *testing.T, path, suffix string, check func(t *testing.T, files map[string][]byte) string) {
	archive, err := txtar.ParseFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	cases := map[string]map[string][]byte{}
	for _, file := range archive.Files {
		name, part, ok := strings.Cut(file.Name, ".")
		if !ok {
			t.Fatalf("%s: file %q has no suffix", path, file.Name)
		}
		if cases[name] == nil {
			cases[name] = map[string][]byte{}
			names = append(names, name)
		}
		cases[name][part] = file.Data
	}
	out := &txtar.Archive{Comment: archive.Comment}
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			got := check(t, cases[name])
			if want := string(cases[name][suffix]); !*update && got != want {
				t.Errorf("%s (-want +got):\n%s", path, cmp.Diff(want, got))
			}
			for _, file := range archive.Files {
				if head, part, _ := strings.Cut(file.Name, "."); head == name && part != suffix {
					out.Files = append(out.Files, file)
				}
			}
			out.Files = append(out.Files, txtar.File{Name: name + "." + suffix, Data: []byte(got)})
		})
	}
	if *update {
		if err := os.WriteFile(path, txtar.Format(out), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// lines joins cells of any type for a golden file.
func lines(rows [][]any) string {
	var b strings.Builder
	for _, row := range rows {
		for i, cell := range row {
			if i > 0 {
				b.WriteString(" | ")
			}
			fmt.Fprint(&b, cell)
		}
		b.WriteByte('\n')
	}
	return b.String()
}
