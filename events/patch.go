package events

import (
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
)

func (d *decider) patch(p Patch) (Decision, error) {
	if p.Type == types.ApplyYAMLPatchType {
		return d.serverSide(p)
	}
	kind, before, err := d.need(p.Key)
	if err != nil {
		return Decision{}, err
	}
	if p.Subresource == SubScale {
		return d.patchScale(p, kind, before)
	}
	doc := patched{gvk: kind.GVK, patch: p}
	given, err := doc.apply(before)
	if err != nil {
		return Decision{}, err
	}
	decision, err := d.replace(replacement{verb: VerbPatch, kind: kind, key: p.Key, sub: p.Subresource, before: before}, given)
	return doc.warn(decision), err
}

func (d *decider) patchScale(p Patch, kind *Kind, before Object) (Decision, error) {
	scale, ok := ScaleOf(before)
	if !ok {
		return Decision{}, apierrors.NewNotFound(kind.GroupResource(), p.Key.Name+"/"+SubScale)
	}
	doc := patched{gvk: ScaleKind, patch: p}
	given, err := doc.apply(scale)
	if err != nil {
		return Decision{}, err
	}
	decision, err := d.rescale(VerbPatch, kind, p.Key, before, given.(*autoscalingv1.Scale))
	return doc.warn(decision), err
}
