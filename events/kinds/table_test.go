package kinds_test

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/client-go/kubernetes/scheme"

	"segno/proto"
)

// TestO10TableIsComplete: whatever the API and the command line read of a kind is there.
func TestO10TableIsComplete(t *testing.T) {
	short := map[string]string{}
	for _, kind := range table.All() {
		t.Run(kind.GVK.Kind, func(t *testing.T) {
			for what, obj := range map[string]any{kind.GVK.Kind: kind.New(), kind.GVK.Kind + "List": kind.NewList()} {
				known := scheme.Scheme.KnownTypes(kind.GVK.GroupVersion())[what]
				if got := reflect.TypeOf(obj).Elem(); got != known {
					t.Errorf("%s is a %v, want %v", what, got, known)
				}
			}
			if kind.New() == kind.New() {
				t.Error("New answers the same object twice")
			}
			if !meta.IsListType(kind.NewList()) {
				t.Errorf("%T is no list", kind.NewList())
			}
			if want := strings.ToLower(kind.GVK.Kind); kind.Singular != want {
				t.Errorf("singular is %q, want %q", kind.Singular, want)
			}
			plural, _ := meta.UnsafeGuessKindToResource(kind.GVK)
			if kind.Singular != "endpoints" && kind.Resource.Name != plural.Resource {
				t.Errorf("resource is %q, want %q", kind.Resource.Name, plural.Resource)
			}
			if kind.Resource.Group != kind.GVK.Group {
				t.Errorf("resource group is %q, want %q", kind.Resource.Group, kind.GVK.Group)
			}
			if !slices.Contains([]string{proto.StreamEvents, proto.StreamNotes, proto.StreamLeases}, kind.Stream) {
				t.Errorf("stream is %q", kind.Stream)
			}
			if _, has := reflect.TypeOf(kind.New()).Elem().FieldByName("Status"); has != kind.HasStatus {
				t.Errorf("HasStatus is %v, but the type having a status is %v", kind.HasStatus, has)
			}
			if kind.Name == nil || kind.Row == nil || len(kind.Columns) == 0 {
				t.Error("name, columns and row are wanted")
			}
			for _, name := range append([]string{kind.Singular, kind.Resource.Name}, kind.ShortNames...) {
				if other, taken := short[name]; taken && other != kind.GVK.Kind {
					t.Errorf("%q names %s too", name, other)
				}
				short[name] = kind.GVK.Kind
			}
		})
	}
}

// TestO10Columns: the name is the first column, but for events, where it is wide.
func TestO10Columns(t *testing.T) {
	for _, kind := range table.All() {
		first := kind.Columns[0]
		if kind.GVK.Kind == "Event" {
			first = kind.Columns[len(kind.Columns)-1]
		}
		if first.Name != "Name" || first.Format != "name" {
			t.Errorf("%s: the name's column is %+v", kind.GVK.Kind, first)
		}
		row := kind.Row(kind.New(), now)
		if len(row) != len(kind.Columns) {
			t.Errorf("%s: %d cells in %d columns", kind.GVK.Kind, len(row), len(kind.Columns))
		}
		for i, column := range kind.Columns {
			if column.Description == "" {
				t.Errorf("%s: column %s has no description", kind.GVK.Kind, column.Name)
			}
			if _, whole := row[i].(int64); column.Type == "integer" && !whole {
				t.Errorf("%s: column %s is an integer and holds a %T", kind.GVK.Kind, column.Name, row[i])
			}
		}
	}
}

// TestO5FieldNames: Fields answers exactly what FieldNames promises.
func TestO5FieldNames(t *testing.T) {
	for _, kind := range table.All() {
		if kind.Fields == nil {
			if len(kind.FieldNames) > 0 {
				t.Errorf("%s: names without values", kind.GVK.Kind)
			}
			continue
		}
		var got []string
		for name := range kind.Fields(kind.New()) {
			got = append(got, name)
		}
		slices.Sort(got)
		want := slices.Sorted(slices.Values(kind.FieldNames))
		if !slices.Equal(got, want) {
			t.Errorf("%s: fields are %v, promised %v", kind.GVK.Kind, got, want)
		}
	}
}
