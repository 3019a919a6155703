package events

import (
	"encoding/json"
	"fmt"
	"net/http"

	autoscalingv1 "k8s.io/api/autoscaling/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/mergepatch"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
	"k8s.io/apimachinery/pkg/util/validation/field"

	jsonpatch "gopkg.in/evanphx/json-patch.v4"
	kjson "sigs.k8s.io/json"
)

// maxOperations bounds a JSON patch, as Kubernetes does: a few bytes of
// "copy" could otherwise grow a document without end.
const maxOperations = 10_000

func (d *decider) patch(p Patch) (Decision, error) {
	kind, before, err := d.need(p.Key)
	if err != nil {
		return Decision{}, err
	}
	if p.Subresource == SubScale {
		scale, ok := ScaleOf(before)
		if !ok {
			return Decision{}, apierrors.NewNotFound(kind.GroupResource(), p.Key.Name+"/"+SubScale)
		}
		doc := patched{gvk: ScaleKind, patch: p}
		given := &autoscalingv1.Scale{}
		if err := doc.apply(scale, given); err != nil {
			return Decision{}, err
		}
		decision, err := d.rescale(VerbPatch, kind, p.Key, before, given)
		return doc.warn(decision), err
	}
	doc := patched{gvk: kind.GVK, patch: p}
	given := kind.New()
	if err := doc.apply(before, given); err != nil {
		return Decision{}, err
	}
	decision, err := d.replace(VerbPatch, kind, p.Key, p.Subresource, before, given)
	return doc.warn(decision), err
}

// patched is the making of one patched document.
type patched struct {
	gvk   schema.GroupVersionKind
	patch Patch
	odd   []error // unknown and duplicate fields
}

// apply patches before and decodes what comes out into after, a new object
// of the same type.
func (p *patched) apply(before, after Object) error {
	doc, err := runtime.DefaultUnstructuredConverter.ToUnstructured(before)
	if err != nil {
		return fmt.Errorf("patch %s: %w", p.patch.Key, err)
	}
	doc["apiVersion"], doc["kind"] = p.gvk.GroupVersion().String(), p.gvk.Kind
	if p.patch.Type == types.JSONPatchType {
		if doc, err = p.operations(doc); err != nil {
			return err
		}
	} else if doc, err = p.merge(doc, after); err != nil {
		return err
	}
	if got := schema.FromAPIVersionAndKind(textAt(doc, "apiVersion"), textAt(doc, "kind")); got != p.gvk {
		return apierrors.NewBadRequest(fmt.Sprintf("a patch cannot change %s into %s", p.gvk, got))
	}
	if err := p.decode(doc, after); err != nil {
		return err
	}
	after.GetObjectKind().SetGroupVersionKind(schema.GroupVersionKind{})
	return nil
}

func textAt(doc map[string]any, key string) string {
	s, _ := doc[key].(string)
	return s
}

// merge applies a merge patch or a strategic merge patch.
func (p *patched) merge(doc map[string]any, like Object) (map[string]any, error) {
	change := map[string]any{}
	if err := p.parse(&change); err != nil {
		return nil, err
	}
	switch p.patch.Type {
	case types.MergePatchType:
		mergeInto(doc, change)
		return doc, nil
	case types.StrategicMergePatchType:
		merged, err := strategicpatch.StrategicMergeMapPatch(doc, change, like)
		if err != nil {
			return nil, strategicError(err)
		}
		return merged, nil
	default:
		return nil, unsupported(fmt.Sprintf("the body of the request was in an unknown format - accepted media types include: %s, %s, %s",
			types.JSONPatchType, types.MergePatchType, types.StrategicMergePatchType))
	}
}

// parse reads the patch itself; duplicate fields in it count as odd.
func (p *patched) parse(into any) error {
	odd, err := kjson.UnmarshalStrict(p.patch.Data, into)
	if err != nil {
		return apierrors.NewBadRequest(fmt.Sprintf("error decoding patch: %v", err))
	}
	p.odd = append(p.odd, odd...)
	return nil
}

// mergeInto is the merge patch of RFC 7386.
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

func strategicError(err error) error {
	switch {
	case mergepatch.IsPreconditionFailed(err), mergepatch.IsConflict(err):
		return unprocessable(err)
	default:
		return apierrors.NewBadRequest(err.Error())
	}
}

// operations applies a JSON patch (RFC 6902).
func (p *patched) operations(doc map[string]any) (map[string]any, error) {
	var ops jsonpatch.Patch
	if err := p.parse(&ops); err != nil {
		return nil, err
	}
	if len(ops) > maxOperations {
		return nil, apierrors.NewRequestEntityTooLargeError(fmt.Sprintf(
			"The allowed maximum operations in a JSON patch is %d, got %d", maxOperations, len(ops)))
	}
	data, err := json.Marshal(doc)
	if err != nil {
		return nil, fmt.Errorf("patch %s: %w", p.patch.Key, err)
	}
	if data, err = ops.Apply(data); err != nil {
		return nil, unprocessable(err)
	}
	out := map[string]any{}
	if err := kjson.UnmarshalCaseSensitivePreserveInts(data, &out); err != nil {
		return nil, unprocessable(err)
	}
	return out, nil
}

// decode reads the patched document into the object's own type.
func (p *patched) decode(doc map[string]any, into Object) error {
	err := runtime.DefaultUnstructuredConverter.FromUnstructuredWithValidation(doc, into, true)
	if odd, ok := runtime.AsStrictDecodingError(err); ok {
		p.odd = append(p.odd, odd.Errors()...)
		err = nil
	}
	if err != nil {
		return p.refuse(explain(doc, into, err))
	}
	if len(p.odd) > 0 && p.patch.Validation == ValidateStrict {
		return p.refuse(runtime.NewStrictDecodingError(p.odd))
	}
	return nil
}

// explain looks for a better account of what does not fit: the JSON decoder
// names the field.
func explain(doc map[string]any, like Object, err error) error {
	data, failed := json.Marshal(doc)
	if failed != nil {
		return err
	}
	fresh := Copy(like)
	if better := kjson.UnmarshalCaseSensitivePreserveInts(data, fresh); better != nil {
		return better
	}
	return err
}

// shown bounds how much of a patch an error repeats.
const shown = 512

func (p *patched) refuse(err error) error {
	data := string(p.patch.Data)
	if len(data) > shown {
		data = data[:shown] + "…"
	}
	return apierrors.NewInvalid(p.gvk.GroupKind(), p.patch.Key.Name, field.ErrorList{
		field.Invalid(field.NewPath("patch"), data, err.Error()),
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

// unprocessable is what a well-formed patch gets that does not fit the object.
func unprocessable(err error) error {
	return &apierrors.StatusError{ErrStatus: metav1.Status{
		Status:  metav1.StatusFailure,
		Code:    http.StatusUnprocessableEntity,
		Reason:  metav1.StatusReasonInvalid,
		Message: fmt.Sprintf("the patch cannot be applied: %v", err),
	}}
}
