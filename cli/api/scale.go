package api

import (
	"net/http"

	autoscalingv1 "k8s.io/api/autoscaling/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"segno/events"
)

// serveScale serves the scale subresource: the number of replicas of any kind
// that has one, in one shape.
func (c *call) serveScale() error {
	switch c.target.Verb {
	case verbGet:
		obj, _, err := c.object()
		if err != nil {
			return err
		}
		scale, ok := events.ScaleOf(obj)
		if !ok {
			return apierrors.NewNotFound(c.kind.GroupResource(), c.target.Name)
		}
		return c.answerScale(scale)
	case verbUpdate:
		opts, err := c.writeOptions("UpdateOptions")
		if err != nil {
			return err
		}
		scale := &autoscalingv1.Scale{}
		if err := c.decodeBody(scale, events.ScaleKind); err != nil {
			return err
		}
		return c.rescale(events.Update{Key: c.key(), Subresource: events.SubScale, Object: scale}, opts)
	case verbPatch:
		action, opts, err := c.patchAction(events.SubScale)
		if err != nil {
			return err
		}
		return c.rescale(action, opts)
	}
	return notAllowed(c.target)
}

func (c *call) rescale(action events.Action, opts writeOptions) error {
	out, err := c.submit(c.r.Context(), action, opts.dryRun)
	if err != nil {
		return err
	}
	return c.answerScale(out.Object)
}

func (c *call) answerScale(scale events.Object) error {
	a, err := acceptOf(c.r)
	if err != nil {
		return err
	}
	return c.answer(http.StatusOK, scale, events.ScaleKind, a)
}
