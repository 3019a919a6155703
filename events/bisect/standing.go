package bisect

import (
	"context"
	"fmt"
	"slices"

	"segno/events"
	"segno/events/condition"
	"segno/proto"
)

// standing is the state after one transaction, as much of it as a condition reads.
// It moves from one to another and decodes only what differs.
type standing struct {
	log   Log
	seq   proto.Seq
	lists []*roll
}

// roll is one collection.
type roll struct {
	of       condition.Collection
	versions map[proto.ObjectKey]events.VersionAt
	objects  map[proto.ObjectKey]events.Object // the living ones
	sorted   []events.Object                   // made when it is asked for
	order    []proto.ObjectKey                 // of all that were ever in it, once it has been sorted
}

func newStanding(ctx context.Context, log Log, depends condition.Depends, seq proto.Seq) (*standing, error) {
	s := &standing{log: log}
	for _, c := range depends.Lists {
		s.lists = append(s.lists, &roll{of: c, versions: map[proto.ObjectKey]events.VersionAt{}, objects: map[proto.ObjectKey]events.Object{}})
	}
	return s, s.moveAll(ctx, seq)
}

// moveAll goes to another transaction, wherever it is.
func (s *standing) moveAll(ctx context.Context, seq proto.Seq) error {
	for _, r := range s.lists {
		now, err := s.log.Versions(r.of.Resource, r.of.Namespace, seq, nil)
		if err != nil {
			return err
		}
		if err := r.become(ctx, s.log, now); err != nil {
			return err
		}
		if err := r.forget(now); err != nil {
			return err
		}
	}
	s.seq = seq
	return nil
}

// forget drops what has no version as of now: it came later.
func (r *roll) forget(now []events.VersionAt) error {
	if len(now) == len(r.versions) {
		return nil
	}
	there := make(map[proto.ObjectKey]bool, len(now))
	for _, v := range now {
		there[v.Key] = true
	}
	for key := range r.versions {
		if !there[key] {
			r.drop(key)
		}
	}
	if len(now) != len(r.versions) {
		return fmt.Errorf("%s: an object is in the list twice", r.of.Resource)
	}
	return nil
}

func (r *roll) drop(key proto.ObjectKey) {
	delete(r.versions, key)
	delete(r.objects, key)
	r.sorted = nil
}

// moveAmong goes to another transaction; nothing but these objects of each list
// differs there.
func (s *standing) moveAmong(ctx context.Context, seq proto.Seq, keys [][]proto.ObjectKey) error {
	for i, r := range s.lists {
		now, err := s.log.Versions(r.of.Resource, r.of.Namespace, seq, keys[i])
		if err != nil {
			return err
		}
		if err := r.become(ctx, s.log, now); err != nil {
			return err
		}
		if len(now) == len(keys[i]) {
			continue
		}
		there := make(map[proto.ObjectKey]bool, len(now))
		for _, v := range now {
			there[v.Key] = true
		}
		for _, key := range keys[i] {
			if !there[key] {
				r.drop(key)
			}
		}
	}
	s.seq = seq
	return nil
}

// moveTouched goes on to a transaction that touched these objects, and no others
// since the one before.
func (s *standing) moveTouched(ctx context.Context, seq proto.Seq, touched []proto.ObjectKey) error {
	keys := make([][]proto.ObjectKey, len(s.lists))
	for i, r := range s.lists {
		keys[i] = []proto.ObjectKey{}
		for _, key := range touched {
			if r.of.Has(key) && !slices.Contains(keys[i], key) {
				keys[i] = append(keys[i], key)
			}
		}
	}
	return s.moveAmong(ctx, seq, keys)
}

// become decodes the versions that are not those that the roll has.
func (r *roll) become(ctx context.Context, log Log, now []events.VersionAt) error {
	var other []events.VersionAt
	for _, v := range now {
		had, ok := r.versions[v.Key]
		switch {
		case ok && had == v:
		case v.Deleted:
			delete(r.objects, v.Key)
			r.versions[v.Key], r.sorted = v, nil
		default:
			other = append(other, v)
		}
		if !ok {
			r.order = nil // there is a new one
		}
	}
	if len(other) == 0 {
		return nil
	}
	objects, err := log.Objects(ctx, other)
	if err != nil {
		return err
	}
	for i, v := range other {
		r.versions[v.Key], r.objects[v.Key] = v, objects[i]
	}
	r.sorted = nil
	return nil
}

// Get implements condition.State.
func (s *standing) Get(key proto.ObjectKey) (events.Object, error) {
	for _, r := range s.lists {
		if r.of.Has(key) {
			return r.objects[key], nil
		}
	}
	view, err := s.log.At(s.seq)
	if err != nil {
		return nil, err
	}
	return view.Get(key)
}

// List implements condition.State.
func (s *standing) List(query events.Query) (events.Page, error) {
	for _, r := range s.lists {
		if r.of.Resource == query.Resource && r.of.Namespace == query.Namespace {
			return events.Page{Items: r.list()}, nil
		}
	}
	view, err := s.log.At(s.seq)
	if err != nil {
		return events.Page{}, err
	}
	return view.List(query)
}

// list is the living objects in key order.
func (r *roll) list() []events.Object {
	if r.sorted != nil {
		return r.sorted
	}
	if r.order == nil {
		r.order = make([]proto.ObjectKey, 0, len(r.versions))
		for key := range r.versions {
			r.order = append(r.order, key)
		}
		slices.SortFunc(r.order, events.CompareKeys)
	}
	r.sorted = make([]events.Object, 0, len(r.objects))
	for _, key := range r.order {
		if obj, ok := r.objects[key]; ok {
			r.sorted = append(r.sorted, obj)
		}
	}
	return r.sorted
}
