package events

import (
	"encoding/json"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/mergepatch"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
	"k8s.io/apimachinery/pkg/util/validation/field"

	kjson "sigs.k8s.io/json"
)

// patched is the making of one patched document.
type patched struct {
	gvk   schema.GroupVersionKind
	patch Patch
	odd   []error // unknown and duplicate fields
}

// apply answers the object as the patch makes it: a new one, ours to change.
func (p *patched) apply(before Object) (Object, error) {
	edit, keys, err := p.parse()
	if err != nil {
		return nil, err
	}
	part := partOf(before, keys)
	doc, err := part.document()
	if err != nil {
		return nil, fmt.Errorf("patch %s: %w", p.patch.Key, err)
	}
	doc["apiVersion"], doc["kind"] = p.gvk.GroupVersion().String(), p.gvk.Kind
	if doc, err = edit(doc, before); err != nil {
		return nil, err
	}
	if err := p.sameKind(doc); err != nil {
		return nil, err
	}
	after, err := p.decode(doc, part)
	if err != nil {
		return nil, err
	}
	after.GetObjectKind().SetGroupVersionKind(schema.GroupVersionKind{})
	return after, nil
}

// sameKind refuses a patch that makes something else of the object. A patch may
// leave the two fields out, or drop them.
func (p *patched) sameKind(doc map[string]any) error {
	for name, want := range map[string]string{"apiVersion": p.gvk.GroupVersion().String(), "kind": p.gvk.Kind} {
		if got, ok := doc[name]; ok && got != any(want) {
			return apierrors.NewBadRequest(fmt.Sprintf("a patch cannot change %s from %s to %v", name, want, got))
		}
	}
	return nil
}

// edit changes a document into the patched one; like is an object of its type.
type edit func(doc map[string]any, like Object) (map[string]any, error)

// parse reads the patch: what it does, and the top-level fields that it can
// read or write (nil: any).
func (p *patched) parse() (edit, []string, error) {
	switch p.patch.Type {
	case types.JSONPatchType:
		var list []map[string]any
		if err := p.read(&list); err != nil {
			return nil, nil, err
		}
		ops, err := readOperations(list)
		return operate(ops), operatedOn(ops), err
	case types.MergePatchType, types.StrategicMergePatchType:
		change := map[string]any{}
		if err := p.read(&change); err != nil {
			return nil, nil, err
		}
		if p.patch.Type == types.MergePatchType {
			return merge(change), mergedInto(change), nil
		}
		return mergeStrategically(change), mergedInto(change), nil
	default:
		return nil, nil, unsupported(fmt.Sprintf("the body of the request was in an unknown format - accepted media types include: %s, %s, %s, %s",
			types.JSONPatchType, types.MergePatchType, types.StrategicMergePatchType, types.ApplyYAMLPatchType))
	}
}

// read decodes the patch itself; duplicate fields in it count as odd.
func (p *patched) read(into any) error {
	if err := crowded(p.patch.Data); err != nil {
		return err
	}
	odd, err := kjson.UnmarshalStrict(p.patch.Data, into)
	if err != nil {
		return apierrors.NewBadRequest(fmt.Sprintf("error decoding patch: %s", clip(err.Error())))
	}
	p.odd = append(p.odd, odd...)
	return nil
}

// merge is the merge patch of RFC 7386.
func merge(change map[string]any) edit {
	return func(doc map[string]any, _ Object) (map[string]any, error) {
		mergeInto(doc, change)
		return doc, nil
	}
}

func mergeInto(doc, change map[string]any) {
	for key, value := range change {
		sub, isMap := value.(map[string]any)
		switch {
		case value == nil:
			delete(doc, key)
		case isMap:
			old, ok := doc[key].(map[string]any)
			if !ok {
				old = map[string]any{}
				doc[key] = old
			}
			mergeInto(old, sub)
		default:
			doc[key] = value
		}
	}
}

// mergeStrategically merges lists by the keys that the type declares.
func mergeStrategically(change map[string]any) edit {
	return func(doc map[string]any, like Object) (map[string]any, error) {
		merged, err := strategicMerge(doc, change, like)
		switch {
		case mergepatch.IsPreconditionFailed(err), mergepatch.IsConflict(err):
			return nil, unprocessable(err)
		case err != nil:
			return nil, apierrors.NewBadRequest(clip(err.Error()))
		}
		return merged, nil
	}
}

// strategicMerge holds apimachinery's merge to its word: on directives of the
// wrong type ({"$retainKeys": [{}]}) it panics, and a patch must not be able to
// stop the sequencer. The document is ours alone: nothing is left half done.
func strategicMerge(doc, change map[string]any, like Object) (merged map[string]any, err error) {
	defer func() {
		if mistake := recover(); mistake != nil {
			err = fmt.Errorf("the strategic merge patch has a directive or list of the wrong type: %v", mistake)
		}
	}()
	return strategicpatch.StrategicMergeMapPatch(doc, change, like)
}

// operate is a JSON patch.
func operate(ops []operation) edit {
	return func(doc map[string]any, _ Object) (map[string]any, error) {
		out, err := applyOperations(doc, ops)
		if err != nil {
			return nil, unprocessable(err)
		}
		after, ok := out.(map[string]any)
		if !ok {
			return nil, unprocessable(fmt.Errorf("the document becomes %T, not an object", out))
		}
		return after, nil
	}
}

// decode puts the patched document into the object that it is a part of.
func (p *patched) decode(doc map[string]any, part part) (Object, error) {
	fresh := part.empty()
	err := runtime.DefaultUnstructuredConverter.FromUnstructuredWithValidation(doc, fresh, p.patch.Validation != ValidateIgnore)
	if odd, ok := runtime.AsStrictDecodingError(err); ok {
		p.odd = append(p.odd, odd.Errors()...)
		err = nil
	}
	if err != nil {
		return nil, p.refuse(explain(doc, part.empty(), err))
	}
	if len(p.odd) > 0 && p.patch.Validation == ValidateStrict {
		return nil, p.refuse(runtime.NewStrictDecodingError(p.odd))
	}
	return part.with(fresh), nil
}

// explain looks for a better account of what does not fit: the JSON decoder
// names the field.
func explain(doc map[string]any, into Object, err error) error {
	data, failed := json.Marshal(doc)
	if failed != nil {
		return err
	}
	if better := kjson.UnmarshalCaseSensitivePreserveInts(data, into); better != nil {
		return fmt.Errorf("%w%s", better, at(locate(data, into)))
	}
	return err
}

func (p *patched) refuse(err error) error {
	return apierrors.NewInvalid(p.gvk.GroupKind(), p.patch.Key.Name, field.ErrorList{
		field.Invalid(field.NewPath("patch"), clip(string(p.patch.Data)), clip(err.Error())),
	})
}

// warn passes odd fields on as warnings, when they were asked for.
func (p *patched) warn(d Decision) Decision {
	if p.patch.Validation != ValidateIgnore && p.patch.Validation != ValidateStrict {
		for _, err := range p.odd {
			d.Warnings = append(d.Warnings, err.Error())
		}
	}
	return d
}
