package events

import (
	"cmp"
	"fmt"
	"slices"
	"sync"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/managedfields"
	"k8s.io/client-go/applyconfigurations"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
)

// owners keeps who manages which field, for server-side apply. Objects that
// were never applied that way have no managedFields, and cost nothing here.
type owners struct {
	types func() managedfields.TypeConverter
}

// newOwners builds nothing yet: the schemas of all types take 60 ms to read,
// and most clusters never need them.
func newOwners() owners {
	return owners{types: sync.OnceValue(func() managedfields.TypeConverter {
		return applyconfigurations.NewTypeConverter(scheme.Scheme)
	})}
}

// manager is the field manager of a kind, or of one subresource of it. What a
// subresource cannot change, nobody owns through it.
func (o owners) manager(kind *Kind, sub string) (*managedfields.FieldManager, error) {
	out := fieldpath.NewSet(fieldpath.MakePathOrDie("status"))
	if sub == SubStatus {
		out = fieldpath.NewSet(fieldpath.MakePathOrDie("spec"), fieldpath.MakePathOrDie("metadata"))
	} else if !kind.HasStatus {
		out = fieldpath.NewSet()
	}
	version := kind.GVK.GroupVersion()
	m, err := managedfields.NewDefaultFieldManager(o.types(), runtime.UnsafeObjectConvertor(scheme.Scheme), defaulter{kind}, scheme.Scheme,
		kind.GVK, version, sub, fieldpath.NewExcludeFilterSetMap(map[fieldpath.APIVersion]*fieldpath.Set{fieldpath.APIVersion(version.String()): out}))
	if err != nil {
		return nil, fmt.Errorf("field manager of %s: %w", kind.GVK, err)
	}
	return m, nil
}

// defaulter is the kind's defaulting in the form that a field manager takes.
type defaulter struct{ kind *Kind }

// Default fills in what Kubernetes documents as defaults.
func (d defaulter) Default(in runtime.Object) {
	if obj, ok := in.(Object); ok && d.kind.Default != nil {
		d.kind.Default(obj)
	}
}

// typed is an object with the apiVersion and kind that a field manager looks at.
func (k *Kind) typed(obj Object) Object {
	out := Copy(obj)
	out.GetObjectKind().SetGroupVersionKind(k.GVK)
	return out
}

// updateOwners says in managedFields whose fields an ordinary update changed.
// Only objects that were applied once are kept account of.
func (d *decider) updateOwners(kind *Kind, before, after Object) error {
	if len(before.GetManagedFields()) == 0 {
		return nil
	}
	m, err := d.table.owners.manager(kind, "")
	if err != nil {
		return err
	}
	updated, err := m.Update(kind.typed(before), kind.typed(after), cmp.Or(d.cmd.Manager, string(d.cmd.Actor)))
	if err != nil {
		return fmt.Errorf("update the field managers of %s: %w", kind.KeyOf(after), err)
	}
	after.SetManagedFields(d.stamp(updated.(Object).GetManagedFields(), before.GetManagedFields()))
	return nil
}

// stamp gives the entries that changed the command's time and the others their
// old one, in an order that depends on nothing else: a field manager reads the
// clock, and Decide must not.
func (d *decider) stamp(entries, old []metav1.ManagedFieldsEntry) []metav1.ManagedFieldsEntry {
	now := d.now()
	for i := range entries {
		e := &entries[i]
		e.Time = &now
		for j := range old {
			if sameOwner(e, &old[j]) {
				e.Time = old[j].Time
			}
		}
	}
	slices.SortFunc(entries, func(a, b metav1.ManagedFieldsEntry) int {
		return cmp.Or(
			cmp.Compare(a.Operation, b.Operation), a.Time.Compare(b.Time.Time), cmp.Compare(a.Manager, b.Manager),
			cmp.Compare(a.Subresource, b.Subresource), cmp.Compare(a.APIVersion, b.APIVersion))
	})
	return entries
}

// sameOwner tells whether an entry is the old one, field for field.
func sameOwner(a, b *metav1.ManagedFieldsEntry) bool {
	return a.Manager == b.Manager && a.Operation == b.Operation && a.APIVersion == b.APIVersion && a.Subresource == b.Subresource &&
		b.Time != nil && a.FieldsV1 != nil && b.FieldsV1 != nil && a.FieldsV1.Equal(*b.FieldsV1)
}
