package undo

import (
	"fmt"
	"strings"

	"segno/events"
	"segno/events/fields"
	"segno/proto"
)

// Restore plans to bring a namespace, or one object, back to what it was after a
// transaction. What was made since is deleted only when prune is set.
func (p Planner) Restore(key proto.ObjectKey, at proto.Seq, prune bool) (*Plan, error) {
	if last := p.Now.Seq(); at > last {
		return nil, refuse("sequence %s has not happened yet: the log ends at %s", at, last)
	}
	w := newPlanning(p, false)
	w.plan.Restore = &Scope{At: at, Object: proto.ObjectOf(key)}
	var err error
	if key.Resource == namespaces {
		err = w.namespaceAt(key.Name, at, prune)
	} else {
		err = w.objectAt(key, at, prune)
	}
	if err != nil {
		return nil, err
	}
	return w.finish()
}

func (p *planning) namespaceAt(name string, at proto.Seq, prune bool) error {
	ns, err := p.namespaceDraft(name, at)
	if err != nil {
		return err
	}
	if ns.want == nil {
		return refuse("there was no namespace %s as of %s; when there was one is told by: segno history namespace/%s", name, at, name)
	}
	back := func(d *draft, then events.Object) error { return p.setBack(d, then, at) }
	if err := p.contents(name, at, back); err != nil {
		return err
	}
	return p.younger(name, at, prune)
}

// namespaceDraft brings a namespace itself back.
func (p *planning) namespaceDraft(name string, at proto.Seq) (*draft, error) {
	key := namespaces.Key("", name)
	d, err := p.draft(key)
	if err != nil {
		return nil, err
	}
	if d == nil {
		return nil, refuse("restore namespace %s: this cluster has no namespaces", name)
	}
	if ends(d.now) {
		return nil, refuse("namespace %s is being deleted; restore it once it is gone: segno wait --for=delete namespace/%s", name, name)
	}
	view, err := p.Past.At(at)
	if err != nil {
		return nil, err
	}
	then, err := view.Get(key)
	if err != nil {
		return nil, fmt.Errorf("read namespace %s as of %s: %w", name, at, err)
	}
	if then == nil || ends(then) {
		d.want = nil
		return d, nil
	}
	return d, p.setBack(d, then, at)
}

// objectAt brings one object back.
func (p *planning) objectAt(key proto.ObjectKey, at proto.Seq, prune bool) error {
	d, err := p.draft(key)
	if err != nil {
		return err
	}
	if d == nil {
		return refuse("restore %s: %s have no history that could be gone back to", key, key.Resource)
	}
	view, err := p.Past.At(at)
	if err != nil {
		return err
	}
	then, err := view.Get(key)
	if err != nil {
		return fmt.Errorf("read %s as of %s: %w", key, at, err)
	}
	switch {
	case then == nil && d.now == nil:
		return refuse("there was no %s as of %s, and there is none now", key, at)
	case then == nil || ends(then):
		return p.tooYoung(d, prune)
	}
	if owner := controller(then); owner != "" {
		maker, err := p.maker(view, key, then)
		if err != nil {
			return err
		}
		return refuse("%s is made by %s; restore what people wrote of it: segno restore %s --at %s", key, owner, spoken(maker), at)
	}
	if d.now == nil && key.Namespace != "" {
		if err := p.roof(key.Namespace, at); err != nil {
			return err
		}
	}
	return p.setBack(d, then, at)
}

// roof makes the namespace of an object again where it is gone.
func (p *planning) roof(name string, at proto.Seq) error {
	found, err := p.Now.Get(namespaces.Key("", name))
	if err != nil {
		return fmt.Errorf("read namespace %s: %w", name, err)
	}
	if found != nil {
		return nil
	}
	_, err = p.namespaceDraft(name, at)
	return err
}

// setBack gives an object the fields that it had, but for those that the control
// plane keeps up.
func (p *planning) setBack(d *draft, then events.Object, at proto.Seq) error {
	switch {
	case d.want == nil && d.now == nil:
		return p.revive(d, then, at)
	case ends(d.now):
		p.left(d.key, "it is still being deleted: restore again once it is gone")
		return nil
	}
	was, err := p.asThen(d, then)
	if err != nil {
		return err
	}
	changes, err := fields.Compare(d.is, was)
	if err != nil || len(changes) == 0 {
		return err
	}
	since, err := p.authors(d.key, at)
	if err != nil {
		return err
	}
	d.want = fields.Merge(d.is, d.is, was, func(f fields.Field) bool {
		by := since.of(f.Path)
		if by == nil || by.Actor.Person() || added(f) && since.person(f.Path) != nil {
			return true
		}
		if strings.HasPrefix(f.Path, "spec.") && d.key.Resource != pods {
			p.left(d.key, ".%s stays: %s set it", f.Path, by.Actor)
		}
		return false
	})
	return p.release(d)
}

// asThen is what an object had; of one that was made again since, as it would be
// made anew.
func (p *planning) asThen(d *draft, then events.Object) (map[string]any, error) {
	if d.now.GetUID() != then.GetUID() {
		return p.reborn(d, then)
	}
	return intent(d.kind, then)
}

// contents calls each with everything that people had made in a namespace, as it
// was after a transaction.
func (p *planning) contents(namespace string, at proto.Seq, each func(d *draft, then events.Object) error) error {
	view, err := p.Past.At(at)
	if err != nil {
		return err
	}
	return p.peoples(view, namespace, func(kind *events.Kind, then events.Object) error {
		if ends(then) {
			return nil
		}
		d, err := p.draft(kind.KeyOf(then))
		if err != nil {
			return err
		}
		return each(d, then)
	})
}

// younger goes through what was made in a namespace since.
func (p *planning) younger(namespace string, at proto.Seq, prune bool) error {
	return p.peoples(p.Now, namespace, func(kind *events.Kind, obj events.Object) error {
		key := kind.KeyOf(obj)
		if p.drafts[key] != nil || ends(obj) {
			return nil
		}
		record, err := p.Past.Version(key, at)
		if err != nil || record != nil && !record.Deleted {
			return err
		}
		d, err := p.draft(key)
		if err != nil {
			return err
		}
		return p.tooYoung(d, prune)
	})
}

// tooYoung is for what was not there then.
func (p *planning) tooYoung(d *draft, prune bool) error {
	if d.now == nil || ends(d.now) {
		return nil
	}
	if prune {
		d.want = nil
		return nil
	}
	p.left(d.key, "it was made since; --prune deletes it")
	return nil
}

// peoples calls each with the objects of a namespace that people made: neither a
// controller nor the control plane keeps them.
func (p *planning) peoples(view events.View, namespace string, each func(*events.Kind, events.Object) error) error {
	for _, kind := range p.Table.All() {
		if !kind.Namespaced || kind.Stream != proto.StreamEvents {
			continue
		}
		page, err := view.List(events.Query{Resource: kind.Resource, Namespace: namespace})
		if err != nil {
			return fmt.Errorf("list %s in %s: %w", kind.Resource, namespace, err)
		}
		for _, obj := range page.Items {
			made, err := p.madeByPerson(view, kind.KeyOf(obj), obj)
			if err != nil {
				return err
			}
			if !made {
				continue
			}
			if err := each(kind, obj); err != nil {
				return err
			}
		}
	}
	return nil
}

func (p *planning) madeByPerson(view events.View, key proto.ObjectKey, obj events.Object) (bool, error) {
	if controller(obj) != "" {
		return false, nil
	}
	record, err := p.Past.Version(key, view.Seq())
	if err != nil || record == nil {
		return false, err
	}
	env, err := p.Past.Envelope(record.Created)
	if err != nil {
		return false, fmt.Errorf("read who made %s: %w", key, err)
	}
	return env == nil || env.Actor.Person(), nil
}

// emptied tells whether a namespace has nothing in it that people made and that
// this plan leaves; what there is, is a conflict.
func (p *planning) emptied(name string) (bool, error) {
	free := true
	err := p.peoples(p.Now, name, func(kind *events.Kind, obj events.Object) error {
		key := kind.KeyOf(obj)
		if d := p.drafts[key]; d != nil && d.want == nil {
			return nil
		}
		since, err := p.authors(key, 0)
		if err != nil {
			return err
		}
		free = p.object(key, since.newest()) && free
		return nil
	})
	return free, err
}
