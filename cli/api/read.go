package api

import (
	"fmt"
	"net/http"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"segno/cli/api/table"
	"segno/events"
	"segno/proto"
)

// get answers one object.
func (c *call) get() error {
	a, err := c.shape(asTable, asPartial)
	if err != nil {
		return err
	}
	if err := c.reached(c.r.URL.Query().Get("resourceVersion")); err != nil {
		return err
	}
	obj, at, err := c.object()
	if err != nil {
		return err
	}
	return c.answerObject(http.StatusOK, obj, at, a)
}

// object reads the object that the path names.
func (c *call) object() (events.Object, time.Time, error) {
	view, at, err := c.view()
	if err != nil {
		return nil, at, err
	}
	obj, err := view.Get(c.key())
	if err != nil {
		return nil, at, fmt.Errorf("read %s: %w", c.key(), err)
	}
	if obj == nil {
		return nil, at, apierrors.NewNotFound(c.kind.GroupResource(), c.target.Name)
	}
	return obj, at, nil
}

// key names the object of the path.
func (c *call) key() proto.ObjectKey {
	if !c.kind.Namespaced {
		return c.kind.Resource.Key("", c.target.Name)
	}
	return c.kind.Resource.Key(c.target.Namespace, c.target.Name)
}

// answerObject writes one object in the shape asked for.
func (c *call) answerObject(code int, obj events.Object, at time.Time, a accept) error {
	switch a.as {
	case asTable:
		rows := table.Of(c.kind, []events.Object{obj}, table.Options{Now: at, Include: c.include(), Version: a.gv.Version})
		rows.ResourceVersion = obj.GetResourceVersion()
		return c.answer(code, rows, rows.GroupVersionKind(), a)
	case asPartial:
		meta := table.Metadata(obj, a.gv)
		return c.answer(code, meta, meta.GroupVersionKind(), a)
	default:
		return c.answer(code, obj, c.kind.GVK, a)
	}
}

// shape negotiates an answer that may be a table, and checks what rows are to
// carry.
func (c *call) shape(shapes ...string) (accept, error) {
	a, err := acceptOf(c.r, shapes...)
	if err != nil || a.as != asTable {
		return a, err
	}
	switch c.include() {
	case "", metav1.IncludeNone, metav1.IncludeMetadata, metav1.IncludeObject:
		return a, nil
	default:
		return a, badRequest("includeObject %q: must be one of None, Metadata, Object", c.include())
	}
}

func (c *call) include() metav1.IncludeObjectPolicy {
	return metav1.IncludeObjectPolicy(c.r.URL.Query().Get("includeObject"))
}

// reached makes sure that the state is at least as new as the client has seen.
func (c *call) reached(version string) error {
	want, err := proto.ParseSeq(version)
	if err != nil {
		return badRequest("resourceVersion %q: must be a decimal number", version)
	}
	if have := c.api.cfg.Store.View(c.kind).Seq(); want > have {
		return tooLarge(want, have)
	}
	return nil
}

// tooLarge is the answer to a version that this cluster has not reached;
// client-go then lists anew.
func tooLarge(want, have proto.Seq) error {
	err := apierrors.NewTimeoutError(fmt.Sprintf("Too large resource version: %d, current: %d", want, have), 1)
	err.ErrStatus.Details.Causes = []metav1.StatusCause{{
		Type: metav1.CauseTypeResourceVersionTooLarge, Message: "Too large resource version",
	}}
	return err
}
