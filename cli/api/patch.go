package api

import (
	"net/http"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"segno/events"
)

// patch changes the object by the patch in the body.
func (c *call) patch() error {
	a, err := c.shape(asTable, asPartial)
	if err != nil {
		return err
	}
	action, opts, err := c.patchAction(c.target.Subresource)
	if err != nil {
		return err
	}
	before, err := c.before()
	if err != nil {
		return err
	}
	out, err := c.submit(c.r.Context(), action, opts.dryRun)
	if err != nil {
		return err
	}
	c.advise(out.Object, before)
	return c.answerOutcome(out, a)
}

// patchAction reads the patch; which form it has is said by its content type.
func (c *call) patchAction(subresource string) (events.Patch, writeOptions, error) {
	var none events.Patch
	opts, err := c.writeOptions("PatchOptions")
	if err != nil {
		return none, opts, err
	}
	media, err := c.mediaType()
	if err != nil {
		return none, opts, err
	}
	switch types.PatchType(media) {
	case types.JSONPatchType, types.MergePatchType, types.StrategicMergePatchType, types.ApplyYAMLPatchType:
	default:
		return none, opts, statusText(http.StatusUnsupportedMediaType, metav1.StatusReasonUnsupportedMediaType,
			"the body of the request was in an unknown format - accepted media types include: %s, %s, %s, %s",
			types.JSONPatchType, types.MergePatchType, types.StrategicMergePatchType, types.ApplyYAMLPatchType)
	}
	data, err := c.readBody()
	if err != nil {
		return none, opts, err
	}
	patch := events.Patch{
		Key: c.key(), Subresource: subresource,
		Type: types.PatchType(media), Data: data, Validation: opts.validation, Force: opts.force,
	}
	if patch.Type == types.ApplyYAMLPatchType && subresource == "" {
		patch.CreateUID = newUID()
	}
	return patch, opts, nil
}
