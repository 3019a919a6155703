package projections

import (
	"context"
	"fmt"
	"runtime"

	"github.com/cockroachdb/pebble/v2"
	"golang.org/x/sync/errgroup"

	"segno/events"
	"segno/proto"
)

// ChangedAt are the transactions behind after, up to and including upto, that made
// a version of an object, in order. Nothing of the versions is decoded.
func (p *Projection) ChangedAt(key proto.ObjectKey, after, upto proto.Seq) ([]proto.Seq, error) {
	if err := p.enter(); err != nil {
		return nil, err
	}
	defer p.leave()
	prefix := appendObject(nil, spaceVersion, key)
	it, err := p.db.NewIter(&pebble.IterOptions{
		LowerBound: appendVersionSuffix(append([]byte(nil), prefix...), min(upto, p.state.Load().Seq)),
		UpperBound: appendVersionSuffix(append([]byte(nil), prefix...), after), // newest first
	})
	if err != nil {
		return nil, fmt.Errorf("read the versions of %s: %w", key, err)
	}
	defer it.Close()
	var out []proto.Seq
	for ok := it.Last(); ok; ok = it.Prev() {
		_, seq := splitVersion(it.Key())
		out = append(out, seq)
	}
	if err := it.Error(); err != nil {
		return nil, fmt.Errorf("read the versions of %s: %w", key, p.cfg.explain(err))
	}
	return out, nil
}

// Versions are the objects of a resource (in one namespace, or in all) by their
// newest versions as of a sequence, in key order, those that had ended by then
// included; among, unless it is nil, are the only ones asked about. Nothing is
// decoded.
func (p *Projection) Versions(resource proto.Resource, namespace string, seq proto.Seq, among []proto.ObjectKey) ([]events.VersionAt, error) {
	if err := p.enter(); err != nil {
		return nil, err
	}
	defer p.leave()
	if _, err := p.At(seq); err != nil {
		return nil, err
	}
	read := func() ([]events.VersionAt, error) { return p.versionsOf(resource, namespace, seq) }
	if among != nil {
		read = func() ([]events.VersionAt, error) { return p.versionsAmong(among, seq) }
	}
	out, err := read()
	if err != nil {
		return nil, fmt.Errorf("read %s as of %s: %w", resource, seq, p.cfg.explain(err))
	}
	return out, nil
}

func (p *Projection) versionsOf(resource proto.Resource, namespace string, seq proto.Seq) (out []events.VersionAt, err error) {
	prefix := appendResource(nil, spaceVersion, resource)
	if namespace != "" {
		prefix = appendText(prefix, namespace)
	}
	it, err := p.db.NewIter(&pebble.IterOptions{LowerBound: prefix, UpperBound: after(prefix)})
	if err != nil {
		return nil, err
	}
	defer it.Close()
	for object, at := nextObject(it, nil, seq); object != nil; object, at = nextObject(it, object, seq) {
		if at == 0 {
			continue // it came later
		}
		value, err := it.ValueAndErr()
		if err != nil {
			return nil, err
		}
		if len(value) == 0 {
			return nil, errRow
		}
		key, err := takeObject(it.Key())
		if err != nil {
			return nil, err
		}
		out = append(out, events.VersionAt{Key: key, Seq: at, Deleted: value[0]&flagDeleted != 0})
	}
	return out, it.Error()
}

func (p *Projection) versionsAmong(keys []proto.ObjectKey, seq proto.Seq) ([]events.VersionAt, error) {
	reader, err := p.versions(p.db)
	if err != nil {
		return nil, err
	}
	defer reader.close()
	out := make([]events.VersionAt, 0, len(keys))
	for _, key := range keys {
		at, v, ok, err := reader.newest(key, seq)
		if err != nil {
			return nil, err
		}
		if ok {
			out = append(out, events.VersionAt{Key: key, Seq: at, Deleted: v.flags&flagDeleted != 0})
		}
	}
	return out, nil
}

// decodeAtOnce is how many objects one goroutine decodes at least.
const decodeAtOnce = 256

// Objects decodes versions of objects that lived, in the order given. They pass
// by the caches: whoever asks for many versions wants each of them once.
func (p *Projection) Objects(ctx context.Context, versions []events.VersionAt) ([]events.Object, error) {
	if err := p.enter(); err != nil {
		return nil, err
	}
	defer p.leave()
	out := make([]events.Object, len(versions))
	share := max((len(versions)+runtime.GOMAXPROCS(0)-1)/runtime.GOMAXPROCS(0), decodeAtOnce)
	group, ctx := errgroup.WithContext(ctx)
	for from := 0; from < len(versions); from += share {
		upto := min(from+share, len(versions))
		group.Go(func() error { return p.decodeAll(ctx, versions[from:upto], out[from:upto]) })
	}
	return out, group.Wait()
}

func (p *Projection) decodeAll(ctx context.Context, versions []events.VersionAt, out []events.Object) error {
	reader, err := p.versions(p.db)
	if err != nil {
		return err
	}
	defer reader.close()
	for i, v := range versions {
		if err := ctx.Err(); err != nil {
			return err
		}
		r, err := reader.row(v.Key, v.Seq)
		if err != nil {
			return p.cfg.explain(err)
		}
		if !r.live() || r.rec.Seq != v.Seq {
			return fmt.Errorf("read %s at %s: it did not live then", v.Key, v.Seq)
		}
		if out[i], err = p.decode(r.rec); err != nil {
			return err
		}
	}
	return nil
}
