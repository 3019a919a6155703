package api

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"

	"golang.org/x/sync/errgroup"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"segno/events"
	"segno/proto"
)

// deleteWorkers is how many deletions of a collection are under way at once:
// they share group commits.
const deleteWorkers = 32

// delete ends the object, or begins to.
func (c *call) delete() error {
	a, err := c.shape(asTable, asPartial)
	if err != nil {
		return err
	}
	options, err := c.deleteOptions()
	if err != nil {
		return err
	}
	out, err := c.submit(c.r.Context(), events.Delete{Key: c.key(), Options: *options}, len(options.DryRun) > 0)
	if err != nil {
		return err
	}
	if !out.Deleted && out.Object != nil {
		return c.answerObject(http.StatusOK, out.Object, c.api.cfg.Now(), a)
	}
	details := &metav1.StatusDetails{Group: c.kind.Resource.Group, Kind: c.kind.Resource.Name, Name: c.target.Name}
	if out.Object != nil {
		details.UID = out.Object.GetUID()
	}
	return c.success(http.StatusOK, details)
}

// deleteCollection deletes every selected object and answers them as a list.
func (c *call) deleteCollection() error {
	a, err := c.shape(asTable, asPartial, asPartialList)
	if err != nil {
		return err
	}
	options, err := c.deleteOptions()
	if err != nil {
		return err
	}
	chosen, err := selectionOf(c)
	if err != nil {
		return err
	}
	view := c.api.cfg.Store.View(c.kind)
	page, err := chosen.in(view, 0, proto.ObjectKey{})
	if err != nil {
		return err
	}
	if err := c.deleteAll(page.Items, options); err != nil {
		return err
	}
	return c.answerList(page, metav1.ListMeta{ResourceVersion: view.Seq().String()}, c.api.cfg.Now(), a)
}

func (c *call) deleteAll(items []events.Object, options *metav1.DeleteOptions) error {
	group, ctx := errgroup.WithContext(c.r.Context())
	group.SetLimit(deleteWorkers)
	for _, item := range items {
		group.Go(func() error { return c.deleteItem(ctx, item, *options) })
	}
	return group.Wait()
}

// deleteItem deletes the very object that was listed, in the version that the
// client wants; one that is already gone is no mistake.
func (c *call) deleteItem(ctx context.Context, item events.Object, options metav1.DeleteOptions) error {
	uid := item.GetUID()
	conditions := metav1.Preconditions{UID: &uid}
	key := c.kind.Resource.Key(item.GetNamespace(), item.GetName())
	if asked := options.Preconditions; asked != nil {
		if asked.UID != nil && *asked.UID != uid {
			return apierrors.NewConflict(c.kind.GroupResource(), item.GetName(), fmt.Errorf("its UID is %s, and the precondition names %s", uid, *asked.UID))
		}
		conditions.ResourceVersion = asked.ResourceVersion
	}
	options.Preconditions = &conditions
	_, err := c.do(ctx, c.command(events.Delete{Key: key, Options: options}, len(options.DryRun) > 0))
	if apierrors.IsConflict(err) {
		now, lookErr := c.api.cfg.Store.View(c.kind).Get(key)
		if lookErr == nil && (now == nil || now.GetUID() != uid) {
			return nil // another one of its name
		}
	}
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

// deleteOptions come in the body, else in the query.
func (c *call) deleteOptions() (*metav1.DeleteOptions, error) {
	data, err := c.readBody()
	if err != nil {
		return nil, err
	}
	options := &metav1.DeleteOptions{}
	if len(data) > 0 {
		if err := c.decodeDelete(data, options); err != nil {
			return nil, err
		}
	} else if err := deleteQuery(c.r.URL.Query(), options); err != nil {
		return nil, err
	}
	return options, deleteProblems(options)
}

func deleteQuery(query url.Values, options *metav1.DeleteOptions) error {
	if text := query.Get("gracePeriodSeconds"); text != "" {
		seconds, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return badRequest("gracePeriodSeconds %q: must be a whole number", text)
		}
		options.GracePeriodSeconds = &seconds
	}
	if text := query.Get("propagationPolicy"); text != "" {
		policy := metav1.DeletionPropagation(text)
		options.PropagationPolicy = &policy
	}
	if text := query.Get("orphanDependents"); text != "" {
		orphan := flag(text)
		options.OrphanDependents = &orphan
	}
	options.DryRun = query["dryRun"]
	return nil
}

func deleteProblems(o *metav1.DeleteOptions) error {
	for _, value := range o.DryRun {
		if value != metav1.DryRunAll {
			return badRequest("dryRun %q: the one supported value is %q", value, metav1.DryRunAll)
		}
	}
	if o.PropagationPolicy != nil {
		switch *o.PropagationPolicy {
		case metav1.DeletePropagationBackground, metav1.DeletePropagationForeground, metav1.DeletePropagationOrphan:
		default:
			return badRequest("propagationPolicy %q: must be one of Background, Foreground, Orphan", *o.PropagationPolicy)
		}
		if o.OrphanDependents != nil {
			return badRequest("orphanDependents and propagationPolicy cannot be both set")
		}
	}
	return nil
}
