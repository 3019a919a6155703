package api

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"segno/cli/api/table"
	"segno/events"
	"segno/proto"
)

// collection is what a list and a watch are asked with: how to answer, which
// objects are meant, and the options.
func (c *call) collection(watch bool) (a accept, chosen selection, opts listOptions, err error) {
	if a, err = c.shape(asTable, asPartial, asPartialList); err != nil {
		return a, chosen, opts, err
	}
	if chosen, err = selectionOf(c); err != nil {
		return a, chosen, opts, err
	}
	opts, err = listOptionsOf(c.r.URL.Query(), watch)
	return a, chosen, opts, err
}

// list answers the selected objects, page by page when a limit is given.
func (c *call) list() error {
	a, chosen, opts, err := c.collection(false)
	if err != nil {
		return err
	}
	view, at, after, err := c.listView(opts)
	if err != nil {
		return err
	}
	page, err := chosen.in(view, opts.limit, after)
	if err != nil {
		return err
	}
	return c.answerList(page, listMeta(page, view.Seq()), at, a)
}

// listView chooses the state that a list shows: the pinned one of a
// continued list, the exact one asked for, else the newest.
func (c *call) listView(opts listOptions) (view events.View, at time.Time, after proto.ObjectKey, err error) {
	if view, at, err = c.view(); err != nil {
		return nil, at, after, err
	}
	want := view.Seq()
	switch {
	case opts.cont != "":
		from, err := cursorOf(opts.cont)
		if err != nil {
			return nil, at, after, err
		}
		want, after = from.Seq, c.kind.Resource.Key(from.Namespace, from.Name)
	case opts.match == metav1.ResourceVersionMatchExact, c.past == nil && opts.version > want:
		want = opts.version
	}
	if want > view.Seq() {
		return nil, at, after, tooLarge(want, view.Seq())
	}
	if want != view.Seq() {
		view, err = c.api.cfg.Store.At(c.r.Context(), c.kind, want)
	}
	return view, at, after, err
}

func listMeta(page events.Page, seq proto.Seq) metav1.ListMeta {
	m := metav1.ListMeta{ResourceVersion: seq.String()}
	if page.Next == nil {
		return m
	}
	m.Continue = cursor{Seq: seq, Namespace: page.Next.Namespace, Name: page.Next.Name}.token()
	if page.Remaining >= 0 {
		left := page.Remaining
		m.RemainingItemCount = &left
	}
	return m
}

// answerList writes a list in the shape asked for.
func (c *call) answerList(page events.Page, m metav1.ListMeta, at time.Time, a accept) error {
	switch {
	case a.as == asTable:
		rows := table.Of(c.kind, page.Items, table.Options{Now: at, Include: c.include(), Version: a.gv.Version})
		rows.ListMeta = m
		return c.answer(http.StatusOK, rows, rows.GroupVersionKind(), a)
	case a.as != "":
		out := &metav1.PartialObjectMetadataList{ListMeta: m}
		for _, item := range page.Items {
			out.Items = append(out.Items, *table.Metadata(item, a.gv))
		}
		a.as = asPartialList
		return c.answer(http.StatusOK, out, a.gv.WithKind(asPartialList), a)
	case a.format == formatJSON && !a.pretty:
		return c.streamList(page.Items, m, a)
	default:
		out, err := typedList(c.kind, page.Items, m)
		if err != nil {
			return err
		}
		return c.answer(http.StatusOK, out, listKind(c.kind), a)
	}
}

func listKind(kind *events.Kind) schema.GroupVersionKind {
	gvk := kind.GVK
	gvk.Kind += "List"
	return gvk
}

func typedList(kind *events.Kind, items []events.Object, m metav1.ListMeta) (runtime.Object, error) {
	out := kind.NewList()
	objects := make([]runtime.Object, len(items))
	for i, item := range items {
		objects[i] = stamped(item, schema.GroupVersionKind{})
	}
	if err := meta.SetList(out, objects); err != nil {
		return nil, fmt.Errorf("build %s: %w", listKind(kind), err)
	}
	access, err := meta.ListAccessor(out)
	if err != nil {
		return nil, fmt.Errorf("build %s: %w", listKind(kind), err)
	}
	access.SetResourceVersion(m.ResourceVersion)
	access.SetContinue(m.Continue)
	access.SetRemainingItemCount(m.RemainingItemCount)
	return out, nil
}

// streamList writes a JSON list item by item, so that the memory it takes
// does not grow with the list.
func (c *call) streamList(items []events.Object, m metav1.ListMeta, a accept) error {
	head, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("encode list metadata: %w", err)
	}
	gvk := listKind(c.kind)
	apiVersion, kind := gvk.ToAPIVersionAndKind()
	out := newBody(c.w, c.r, http.StatusOK, a.mediaType())
	if _, err = fmt.Fprintf(out, `{"kind":%q,"apiVersion":%q,"metadata":%s,"items":[`, kind, apiVersion, head); err != nil {
		return nil
	}
	for i, item := range items {
		data, err := json.Marshal(stamped(item, schema.GroupVersionKind{}))
		if err != nil {
			return fmt.Errorf("encode %s %s/%s: %w", kind, item.GetNamespace(), item.GetName(), err)
		}
		if i > 0 {
			data = append([]byte{','}, data...)
		}
		if _, err := out.Write(data); err != nil {
			return nil
		}
	}
	_, _ = io.Copy(out, strings.NewReader("]}\n"))
	_ = out.Close()
	return nil
}
