package events

import (
	"errors"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	metavalidation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// serverSide is server-side apply: the patch is what its manager wants of the
// object, and fields that others manage are a conflict unless forced.
func (d *decider) serverSide(p Patch) (Decision, error) {
	kind, before, err := d.find(p.Key)
	if err != nil {
		return Decision{}, err
	}
	if before == nil && (p.CreateUID == "" || p.Subresource != "") {
		return Decision{}, notFound(kind, p.Key.Name)
	}
	if errs := metavalidation.ValidatePatchOptions(&metav1.PatchOptions{FieldManager: d.cmd.Manager, Force: &p.Force}, types.ApplyYAMLPatchType); len(errs) > 0 {
		return Decision{}, apierrors.NewInvalid(schema.GroupKind{Group: metav1.GroupName, Kind: "PatchOptions"}, "", errs)
	}
	doc := patched{gvk: kind.GVK, patch: p}
	wanted, err := doc.wanted(kind)
	if err != nil {
		return Decision{}, err
	}
	if before != nil {
		if err := expect(kind, before, wanted); err != nil {
			return Decision{}, err
		}
	}
	merged, err := d.applyOn(before, wanted, kind, p)
	if err != nil {
		return Decision{}, err
	}
	var decision Decision
	if before == nil {
		decision, err = d.create(Create{Key: p.Key, Object: merged, UID: p.CreateUID})
	} else {
		decision, err = d.replace(replacement{verb: VerbPatch, kind: kind, key: p.Key, sub: p.Subresource, before: before, applied: true}, merged)
	}
	return doc.warn(decision), err
}

// wanted reads the patch: a part of an object, in YAML or JSON.
func (p *patched) wanted(kind *Kind) (*unstructured.Unstructured, error) {
	like := kind.New()
	body := incoming{gvk: p.gvk, data: p.patch.Data, into: like}
	if err := body.yaml(); err != nil {
		return nil, err
	}
	p.odd = body.odd
	if len(p.odd) > 0 && p.patch.Validation == ValidateStrict {
		_, err := body.judge(ValidateStrict)
		return nil, err
	}
	out := &unstructured.Unstructured{}
	if err := out.UnmarshalJSON(body.data); err != nil {
		return nil, body.unreadable(err)
	}
	if _, err := identify(kind, p.patch.Key, out, ""); err != nil {
		return nil, err
	}
	return out, nil
}

// applyOn merges what is wanted into the object, or into nothing.
func (d *decider) applyOn(before Object, wanted *unstructured.Unstructured, kind *Kind, p Patch) (Object, error) {
	m, err := d.table.owners.manager(kind, p.Subresource)
	if err != nil {
		return nil, err
	}
	var live Object
	if before != nil {
		live = kind.typed(before)
	} else {
		live = kind.typed(kind.New())
		live.SetName(p.Key.Name)
		live.SetNamespace(p.Key.Namespace)
	}
	merged, err := m.Apply(live, wanted, d.cmd.Manager, p.Force)
	if status := apierrors.APIStatus(nil); errors.As(err, &status) {
		return nil, err
	} else if err != nil {
		return nil, apierrors.NewInvalid(kind.GVK.GroupKind(), p.Key.Name, field.ErrorList{
			field.Invalid(field.NewPath("patch"), clip(string(p.Data)), clip(err.Error())),
		})
	}
	after, ok := merged.(Object)
	if !ok {
		return nil, fmt.Errorf("apply %s: the field manager made a %T", p.Key, merged)
	}
	after.SetManagedFields(d.stamp(after.GetManagedFields(), live.GetManagedFields()))
	after.GetObjectKind().SetGroupVersionKind(schema.GroupVersionKind{})
	return after, nil
}
