// Package claim decides whose an object is: which ones a controller adopts by
// its selector, and which ones it lets go.
//
// What comes in: objects of a view, and the selectors of those that could own
// them. What goes out: the changed owner references, as actions. What never
// happens here: a deletion, or a change of an object that another controller
// owns. It is one file.
package claim

import (
	"cmp"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"segno/events"
	"segno/proto"
)

// Owner is an object that claims others by labels.
type Owner struct {
	Kind     schema.GroupVersionKind
	Object   events.Object
	Selector *metav1.LabelSelector
}

// Reference is the owner reference of what the owner controls.
func (o *Owner) Reference() metav1.OwnerReference {
	return *metav1.NewControllerRef(o.Object, o.Kind)
}

// matches tells whether the owner selects the labels. An empty or malformed
// selector selects nothing.
func (o *Owner) matches(set map[string]string) bool {
	selector, err := metav1.LabelSelectorAsSelector(o.Selector)
	return err == nil && !selector.Empty() && selector.Matches(labels.Set(set))
}

// Controller answers the UID of the object's controller, "" when it has none.
func Controller(obj events.Object) types.UID {
	if ref := metav1.GetControllerOfNoCopy(obj); ref != nil {
		return ref.UID
	}
	return ""
}

// ControllerKey answers the key of the object's controller if that is of the
// given kind.
func ControllerKey(obj events.Object, kind schema.GroupVersionKind, resource proto.Resource) (proto.ObjectKey, bool) {
	ref := metav1.GetControllerOfNoCopy(obj)
	if ref == nil || ref.Kind != kind.Kind {
		return proto.ObjectKey{}, false
	}
	version, err := schema.ParseGroupVersion(ref.APIVersion)
	if err != nil || version.Group != kind.Group {
		return proto.ObjectKey{}, false
	}
	return resource.Key(obj.GetNamespace(), ref.Name), true
}

// Sort parts the objects that refer to the owner into those that it controls and
// those that it controls no longer by its selector: they are to be released.
func Sort[T events.Object](owner Owner, objects []T) (kept, released []T) {
	selector, err := metav1.LabelSelectorAsSelector(owner.Selector)
	for _, obj := range objects {
		switch {
		case Controller(obj) != owner.Object.GetUID():
		case err != nil || selector.Matches(labels.Set(obj.GetLabels())) || obj.GetDeletionTimestamp() != nil:
			kept = append(kept, obj)
		default:
			released = append(released, obj)
		}
	}
	return kept, released
}

// Orphans lists the objects of a resource that the owner may adopt.
func Orphans[T events.Object](view events.View, owner Owner, resource proto.Resource) ([]T, error) {
	selector, err := metav1.LabelSelectorAsSelector(owner.Selector)
	if err != nil || selector.Empty() || owner.Object.GetDeletionTimestamp() != nil {
		return nil, nil // validation keeps such selectors out; they claim nothing
	}
	found, err := events.ListAs[T](view, events.Query{
		Resource: resource, Namespace: owner.Object.GetNamespace(), Labels: selector,
	})
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(found, func(obj T) bool {
		return metav1.GetControllerOfNoCopy(obj) != nil || obj.GetDeletionTimestamp() != nil
	}), nil
}

// Heir chooses who adopts an orphan: the oldest of those that select it.
func Heir(orphan events.Object, owners []Owner) (Owner, bool) {
	owners = slices.DeleteFunc(slices.Clone(owners), func(o Owner) bool {
		return o.Object.GetDeletionTimestamp() != nil || !o.matches(orphan.GetLabels())
	})
	if len(owners) == 0 {
		return Owner{}, false
	}
	return slices.MinFunc(owners, func(a, b Owner) int {
		return cmp.Or(
			a.Object.GetCreationTimestamp().Compare(b.Object.GetCreationTimestamp().Time),
			cmp.Compare(a.Object.GetName(), b.Object.GetName()),
		)
	}), true
}

// Adopt makes the owner the controller of an orphan.
func Adopt[T events.Object](owner Owner, key proto.ObjectKey, orphan T) events.Action {
	adopted := events.Copy(orphan)
	refs := slices.DeleteFunc(adopted.GetOwnerReferences(), func(ref metav1.OwnerReference) bool {
		return ref.UID == owner.Object.GetUID()
	})
	adopted.SetOwnerReferences(append(refs, owner.Reference()))
	return events.Update{Key: key, Object: adopted}
}

// Release takes the owner's reference off an object.
func Release[T events.Object](owner Owner, key proto.ObjectKey, obj T) events.Action {
	freed := events.Copy(obj)
	freed.SetOwnerReferences(slices.DeleteFunc(freed.GetOwnerReferences(), func(ref metav1.OwnerReference) bool {
		return ref.UID == owner.Object.GetUID()
	}))
	return events.Update{Key: key, Object: freed}
}
