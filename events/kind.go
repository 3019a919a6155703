package events

import (
	"fmt"
	"reflect"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"segno/proto"
)

// Kind is what segno knows of one kind of object: everything that the API, the
// fold and the command line do with it comes from here. Functions are pure;
// a nil one means that the kind has nothing to say on the matter.
type Kind struct {
	GVK        schema.GroupVersionKind
	Resource   proto.Resource
	Singular   string
	ShortNames []string
	Categories []string // "all"
	Namespaced bool
	Stream     string // proto.StreamEvents, StreamNotes or StreamLeases

	New     func() Object
	NewList func() runtime.Object

	HasStatus    bool     // has a status subresource and a status section
	Subresources []string // further ones the API serves: "scale", "log", "exec", "binding", "eviction", …

	// Name answers what is wrong with a name; prefix is set for a generateName.
	Name func(name string, prefix bool) []string
	// Default fills in what Kubernetes documents as defaults.
	Default func(obj Object)
	// PrepareCreate clears what a creator may not set (status) and sets what
	// the system owns; PrepareUpdate keeps of old what an update may not change
	// silently and raises the generation when the spec changed.
	PrepareCreate func(obj Object)
	PrepareUpdate func(obj, old Object)
	// PrepareStatus completes a reported status with what the reporter may
	// leave out; old is what it replaces.
	PrepareStatus func(obj, old Object)
	// Validate checks a new object, ValidateUpdate a changed one (immutable
	// fields too), ValidateStatus a changed status.
	Validate       func(obj Object) field.ErrorList
	ValidateUpdate func(obj, old Object) field.ErrorList
	ValidateStatus func(obj, old Object) field.ErrorList
	// Admit is the part of admission that needs the cluster: allocation and
	// uniqueness. It may change obj. old is nil on create.
	Admit func(view View, obj, old Object) error
	// AdmitStatus is the same for a changed status.
	AdmitStatus func(view View, obj, old Object) error
	// Warn answers what the author of an accepted object should know: fields that
	// nothing acts on. old is nil on create; what did not change is not said again.
	Warn func(obj, old Object) []string
	// Redact takes what is secret out of an object, before it leaves the cluster;
	// false is that there was nothing. obj is the caller's own.
	Redact func(obj Object) bool
	// Grace is the number of seconds between a delete and the end of the
	// object; nil or 0 ends it at once.
	Grace func(obj Object, asked *int64) int64
	// Classify names the fact that a change is; "" falls back to the generic
	// <Kind>Created, <Kind>SpecChanged, <Kind>StatusChanged, <Kind>Deleted.
	Classify func(before, after Object, section proto.Section) (fact, reason string)

	// Fields are the selectable fields and their values, besides metadata.name
	// and metadata.namespace; FieldNames lists them.
	Fields     func(obj Object) fields.Set
	FieldNames []string
	// Columns and Row make the table that kubectl prints; now is for ages.
	Columns []metav1.TableColumnDefinition
	Row     func(obj Object, now time.Time) []any

	goType reflect.Type // of what New answers; the table sets it
}

// Table is the closed table of kinds.
type Table struct {
	kinds      []*Kind
	byResource map[proto.Resource]*Kind
	byKind     map[schema.GroupVersionKind]*Kind
	facts      map[Fact]bool // the closed set of event names
	owners     owners        // of fields, for server-side apply
}

// NewTable builds a table; it panics on a kind that is listed twice, since
// that is a mistake in the program.
func NewTable(kinds ...*Kind) *Table {
	t := &Table{kinds: kinds, byResource: map[proto.Resource]*Kind{}, byKind: map[schema.GroupVersionKind]*Kind{}}
	for _, k := range kinds {
		if t.byResource[k.Resource] != nil || t.byKind[k.GVK] != nil {
			panic(fmt.Sprintf("kind %s is in the table twice", k.GVK))
		}
		k.goType = reflect.TypeOf(k.New())
		t.byResource[k.Resource] = k
		t.byKind[k.GVK] = k
	}
	t.facts, t.owners = closeFacts(kinds), newOwners()
	return t
}

// All answers every kind, in the table's order.
func (t *Table) All() []*Kind { return t.kinds }

// Of answers the kind of a resource, or nil.
func (t *Table) Of(r proto.Resource) *Kind { return t.byResource[r] }

// ForKind answers the kind of a GroupVersionKind, or nil.
func (t *Table) ForKind(gvk schema.GroupVersionKind) *Kind { return t.byKind[gvk] }

// message is what generated protobuf gives every built-in type.
type message interface {
	Marshal() ([]byte, error)
	Unmarshal(data []byte) error
}

// Decode builds the object of a record, with its resourceVersion.
func (t *Table) Decode(r *Record) (Object, error) {
	kind := t.Of(r.Key.Resource)
	if kind == nil {
		return nil, fmt.Errorf("decode %s: resource is not in the table of kinds", r.Key)
	}
	obj, err := kind.Decode(Sections{Spec: r.Spec, Status: r.Status})
	if err != nil {
		return nil, fmt.Errorf("decode %s at %s: %w", r.Key, r.Seq, err)
	}
	obj.SetResourceVersion(r.Seq.String())
	return obj, nil
}
