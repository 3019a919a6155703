package undo

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"segno/events"
	"segno/events/fields"
	"segno/proto"
)

// Undo plans to take transactions back, newest first and as one. What was changed
// again since is left alone, unless force is set.
func (p Planner) Undo(seqs []proto.Seq, force bool) (*Plan, error) {
	seqs = slices.SortedFunc(slices.Values(seqs), func(a, b proto.Seq) int { return cmp.Compare(b, a) })
	for i := 1; i < len(seqs); i++ {
		if seqs[i-1] == seqs[i] {
			return nil, refuse("sequence %s is named twice", seqs[i])
		}
	}
	w := newPlanning(p, force)
	var envelopes []*proto.Envelope
	for _, seq := range seqs {
		env, err := w.undoable(seq)
		if err != nil {
			return nil, err
		}
		w.undone[seq] = true
		envelopes = append(envelopes, env)
	}
	if len(envelopes) == 0 {
		return nil, refuse("say which transactions to undo, by their sequences")
	}
	for _, env := range envelopes {
		if err := w.takeBack(env); err != nil {
			return nil, fmt.Errorf("undo %s: %w", env.Seq, err)
		}
	}
	w.plan.Undo = seqs
	return w.finish()
}

// takeBack takes all of a transaction back.
func (p *planning) takeBack(env *proto.Envelope) error {
	before, err := p.Past.At(env.Seq - 1)
	if err != nil {
		return err
	}
	after, err := p.Past.At(env.Seq)
	if err != nil {
		return err
	}
	keys, err := wanted(env, before)
	if err != nil {
		return err
	}
	for _, key := range keys {
		if err := p.takeBackObject(env.Seq, key, before, after); err != nil {
			return fmt.Errorf("%s: %w", key, err)
		}
	}
	return nil
}

// wanted are the objects of a transaction in the order in which they are taken
// back: a namespace that was made after what was made in it, any other first.
func wanted(env *proto.Envelope, before events.View) ([]proto.ObjectKey, error) {
	var first, then, last []proto.ObjectKey
	for i := range env.Events {
		ev := &env.Events[i]
		if !wants(ev) || slices.Contains(first, ev.Key) || slices.Contains(then, ev.Key) || slices.Contains(last, ev.Key) {
			continue
		}
		if ev.Key.Resource != namespaces {
			then = append(then, ev.Key)
			continue
		}
		was, err := before.Get(ev.Key)
		switch {
		case err != nil:
			return nil, err
		case was == nil:
			last = append(last, ev.Key)
		default:
			first = append(first, ev.Key)
		}
	}
	return slices.Concat(first, then, last), nil
}

// wants tells whether an event is about what somebody wants, and not about what
// is.
func wants(ev *proto.Event) bool {
	return ev.Section == proto.SectionSpec || ev.Section == proto.SectionGone
}

func (p *planning) takeBackObject(seq proto.Seq, key proto.ObjectKey, earlier, later events.View) error {
	d, err := p.draft(key)
	if err != nil || d == nil {
		return err
	}
	before, err := earlier.Get(key)
	if err != nil {
		return err
	}
	after, err := later.Get(key)
	if err != nil {
		return err
	}
	switch {
	case before != nil && (after == nil || ends(after) && !ends(before)):
		return errors.Join(p.revive(d, before, seq), p.refill(d, seq))
	case before == nil && after != nil:
		return p.end(d, after, seq)
	case before != nil:
		return p.reset(d, before, after, seq)
	default:
		return nil // came and went in one transaction
	}
}

// reset takes back the fields that a transaction changed.
func (p *planning) reset(d *draft, before, after events.Object, seq proto.Seq) error {
	switch {
	case d.want == nil:
		gone, err := p.goneBy(d.key)
		if err != nil {
			return err
		}
		p.left(d.key, "it is gone%s", gone)
		return nil
	case ends(d.now):
		p.left(d.key, "it is being deleted")
		return nil
	}
	was, err := intent(d.kind, before)
	if err != nil {
		return err
	}
	is, err := intent(d.kind, after)
	if err != nil {
		return err
	}
	if err := d.touches(was, is); err != nil {
		return err
	}
	since, err := p.authors(d.key, seq)
	if err != nil {
		return err
	}
	another, err := p.another(d, after)
	if err != nil {
		return err
	}
	d.want = fields.Merge(is, d.want, was, func(f fields.Field) bool {
		return !another && (!f.Moved() || filledIn(f, since)) || p.conflict(d.key, f, since.of(f.Path))
	})
	return p.release(d)
}

// filledIn tells whether a transaction added something that the control plane alone
// has changed since, as it notes in a taint when that came: it goes as a whole.
func filledIn(f fields.Field, since authors) bool {
	return added(f) && since.of(f.Path) != nil && since.person(f.Path) == nil
}

// added tells whether a field is a structure that is to go again.
func added(f fields.Field) bool {
	_, structure := f.Base.(map[string]any)
	return structure && f.Wanted == nil
}

// another tells whether the object of the name is by now another one, whose fields
// somebody chose anew even where they are the same. What an undo or a restore made
// again is none.
func (p *planning) another(d *draft, after events.Object) (bool, error) {
	if d.now == nil || d.reborn || d.now.GetUID() == after.GetUID() {
		return false, nil
	}
	record, err := p.Past.Version(d.key, p.Now.Seq())
	if err != nil || record == nil {
		return true, err
	}
	env, err := p.Past.Envelope(record.Created)
	if err != nil {
		return true, fmt.Errorf("read who made %s again: %w", d.key, err)
	}
	return env == nil || !events.TakesBack(env), nil
}

// end takes a creation back: the object goes, unless a person has made something
// else of it since.
func (p *planning) end(d *draft, after events.Object, seq proto.Seq) error {
	if d.want == nil || ends(d.now) {
		return nil
	}
	since, err := p.authors(d.key, seq)
	if err != nil {
		return err
	}
	made, err := intent(d.kind, after)
	if err != nil {
		return err
	}
	changes, err := fields.Compare(made, d.want)
	if err != nil {
		return err
	}
	free := true
	if d.now != nil && d.now.GetUID() != after.GetUID() && !d.reborn {
		free = p.object(d.key, since.newest())
	}
	for _, change := range changes {
		if by := since.of(change.Path); by != nil && by.Actor.Person() && change.Path != quiet {
			took := p.force
			p.plan.Conflicts = append(p.plan.Conflicts, Conflict{Object: proto.ObjectOf(d.key), Path: change.Path, Now: change.New, By: by, Forced: took})
			free = free && took
		}
	}
	if d.key.Resource == namespaces && free {
		if free, err = p.emptied(d.key.Name); err != nil {
			return err
		}
	}
	if !free {
		p.left(d.key, "it is not deleted: it was changed since")
		return nil
	}
	d.want = nil
	return nil
}

// goneBy says who deleted an object, and what to undo for that.
func (p *planning) goneBy(key proto.ObjectKey) (string, error) {
	record, err := p.Past.Version(key, newest)
	if err != nil || record == nil || !record.Deleted {
		return "", err
	}
	env, err := p.Past.Envelope(record.Seq)
	if err != nil || env == nil {
		return fmt.Sprintf(" since %s", record.Seq), err
	}
	root, err := p.person(env)
	if err != nil || root == nil {
		return fmt.Sprintf(" since %s, by %s", env.Seq, env.Actor), err
	}
	return fmt.Sprintf(" since %s, by %s: undo that, too: segno undo %s", root.Seq, root.Actor, root.Seq), nil
}
