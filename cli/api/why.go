package api

import (
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/types"

	"segno/cli/api/history"
	"segno/events"
	"segno/events/explain"
	"segno/proto"
)

var (
	podResource  = proto.Resource{Name: "pods"}
	noteResource = proto.Resource{Name: "events"}
)

// whyRevisions is how many of an object's newest transactions are explained
// unless the client says otherwise.
const whyRevisions = 100

func (c *call) why() error {
	key, err := c.asked()
	if err != nil {
		return err
	}
	if question := c.r.URL.Query().Get("question"); question != "" {
		return c.whyQuestion(key, explain.Question(question))
	}
	found, more, err := c.versions(key, whyRevisions)
	if apierrors.IsNotFound(err) {
		return c.whyEarlier(key, c.notThere(c.kind, key))
	}
	if err != nil {
		return err
	}
	if more {
		found = found[:len(found)-1]
	}
	var own []*proto.Envelope
	for _, v := range found {
		if v.Record.UID != found[0].Record.UID {
			break // an earlier object of the same name is another story
		}
		own = append(own, v.Envelope)
	}
	roots, err := history.Chain(c.kind.Stream, own, c.transaction)
	if err != nil {
		return err
	}
	return c.sendJSON(history.Why{Object: proto.ObjectOf(key), Roots: roots, More: more})
}

// whyEarlier answers for an object that nothing in the log is about: the log may
// begin with it.
func (c *call) whyEarlier(key proto.ObjectKey, notFound error) error {
	begin, err := c.beginning(c.kind, key)
	if err != nil {
		return err
	}
	if begin == nil {
		return notFound
	}
	return c.sendJSON(history.Why{Object: proto.ObjectOf(key), Roots: []*history.Node{}, Earlier: earlier(begin)})
}

// transaction looks one of EVENTS up.
func (c *call) transaction(seq proto.Seq) (*proto.Envelope, error) {
	return c.api.cfg.History.Envelope(c.r.Context(), proto.StreamEvents, seq)
}

// whyQuestion answers one question about the object.
func (c *call) whyQuestion(key proto.ObjectKey, question explain.Question) error {
	if err := explain.Check(key.Resource, question); err != nil {
		return err
	}
	if c.kind.Stream != proto.StreamEvents {
		return badRequest("why %s: %s are not kept in the log of events; segno why without a question tells their causes", question, key.Resource)
	}
	if err := c.mayReadPods(key); err != nil {
		return err
	}
	view, _, err := c.view()
	if err != nil {
		return err
	}
	found, err := explain.Explain(explain.Ask{Table: c.api.cfg.Table, Past: pastOf{c}, View: view, Key: key, Question: question})
	if err != nil {
		return err
	}
	if found == nil {
		return c.whyEarlier(key, c.notThere(c.kind, key))
	}
	why, err := history.Answered(proto.ObjectOf(key), question, found, c.transaction)
	if err != nil {
		return err
	}
	return c.sendJSON(why)
}

// mayReadPods makes sure that who asks about an owner of pods may read these:
// the answer tells of them.
func (c *call) mayReadPods(key proto.ObjectKey) error {
	if key.Resource == podResource || key.Namespace == "" {
		return nil
	}
	asked := c.target
	defer func() { c.target = asked }()
	c.target = Target{Verb: verbList, Version: "v1", Namespace: key.Namespace, Resource: podResource.Name, Path: asked.Path}
	return c.authorize()
}

// pastOf answers explain's questions out of the logs.
type pastOf struct{ *call }

var _ explain.Past = pastOf{}

// Versions implements explain.Past.
func (p pastOf) Versions(key proto.ObjectKey, last proto.Seq, limit int) ([]events.Version, error) {
	kind := p.api.cfg.Table.Of(key.Resource)
	if kind == nil || kind.Stream != proto.StreamEvents {
		return nil, nil
	}
	return p.api.cfg.History.Revisions(p.r.Context(), kind, key, last, limit)
}

// Beginning implements explain.Past.
func (p pastOf) Beginning(key proto.ObjectKey) (*events.Record, error) {
	kind := p.api.cfg.Table.Of(key.Resource)
	if kind == nil || kind.Stream != proto.StreamEvents {
		return nil, nil
	}
	return p.beginning(kind, key)
}

// Transaction implements explain.Past.
func (p pastOf) Transaction(seq proto.Seq) (*proto.Envelope, error) { return p.transaction(seq) }

// At implements explain.Past.
func (p pastOf) At(seq proto.Seq) (events.View, error) {
	view, err := p.api.cfg.Store.At(p.r.Context(), p.kindIn(proto.StreamEvents), seq)
	if apierrors.IsResourceExpired(err) {
		return nil, nil
	}
	return view, err
}

// Notes implements explain.Past.
func (p pastOf) Notes(namespace string, uid types.UID) ([]*corev1.Event, error) {
	kind := p.api.cfg.Table.Of(noteResource)
	view := p.api.cfg.Store.View(kind)
	if p.past != nil {
		seq, _, err := p.api.cfg.Store.Resolve(p.r.Context(), kind, *p.past)
		if err == nil {
			view, err = p.api.cfg.Store.At(p.r.Context(), kind, seq)
		}
		if apierrors.IsResourceExpired(err) {
			return nil, nil // notes are kept for a while only
		}
		if err != nil {
			return nil, err
		}
	}
	return events.ListAs[*corev1.Event](view, events.Query{
		Resource: noteResource, Namespace: namespace, Fields: fields.OneTermEqualSelector("involvedObject.uid", string(uid)),
	})
}
