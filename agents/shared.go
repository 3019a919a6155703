package agents

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"

	"segno/agents/catalog"
	"segno/agents/disk"
	"segno/proto"
)

// shared fills the catalog with what all nodes are told, and keeps it for the
// next agent, which may find no control plane.
type shared struct {
	ear

	catalog *catalog.Catalog
	journal *disk.Journal
	log     *slog.Logger
	synced  atomic.Uint64 // a proto.Seq: what is told may be older, for others' sake; 0 before a sync
	known   chan struct{} // closed once the catalog is not merely empty
	once    sync.Once
}

// newShared answers what an earlier agent knew, or nil where there is no feed.
func newShared(cfg *Config) (*shared, error) {
	if cfg.Shared == nil {
		return nil, nil
	}
	journal, kept, err := disk.OpenJournal(cfg.below("catalog"))
	if err != nil {
		return nil, err
	}
	s := &shared{catalog: cfg.Catalog, journal: journal, log: cfg.Logger, known: make(chan struct{})}
	s.feed, s.all, s.one = cfg.Shared, s.applyAll, s.applyOne
	if kept.Lost != nil {
		s.log.Warn("the newest of what was known of Services was lost with the machine; the control plane has it", "error", kept.Lost)
	}
	s.remember(kept.Whole)
	return s, nil
}

func (s *shared) remember(records map[string][]byte) {
	objects := make([]proto.WantPod, 0, len(records))
	for name, data := range records {
		var object proto.WantPod
		if err := proto.Unpack(data, &object); err != nil {
			s.log.Warn("an unreadable record of the catalog; the control plane has it", "object", name, "error", err)
			continue
		}
		objects = append(objects, object)
	}
	if len(objects) > 0 {
		s.take(objects)
	}
}

// followOnce is one connection's life, as that of what this node should run.
func (s *shared) followOnce(ctx context.Context) (synced bool, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	wants, err := s.feed.Wants(ctx)
	if err != nil {
		return false, fmt.Errorf("subscribe to what all nodes are told: %w", err)
	}
	if err := s.sync(ctx); err != nil {
		return false, err
	}
	for {
		select {
		case <-ctx.Done():
			return true, ctx.Err()
		case want, open := <-wants:
			if !open {
				return true, nil
			}
			if err := s.relayed(ctx, want); err != nil {
				return true, err
			}
		}
	}
}

func (s *shared) applyAll(_ context.Context, all proto.Want) {
	s.synced.Store(uint64(all.Seq))
	s.take(all.Pods)
	records := make(map[string][]byte, len(all.Pods))
	for i := range all.Pods {
		records[all.Pods[i].Key.String()] = proto.Pack(&all.Pods[i])
	}
	if err := s.journal.Replace(records); err != nil {
		s.log.Error("what is known of Services is not durable on this node", "error", err)
	}
}

func (s *shared) take(objects []proto.WantPod) {
	if err := s.catalog.Replace(objects); err != nil {
		s.log.Error("objects that all nodes know cannot be read, and are left out", "error", err)
	}
	s.once.Do(func() { close(s.known) })
}

// applyOne does not fail, as that of what this node should run. An object that
// cannot be read stays as it was.
func (s *shared) applyOne(_ context.Context, object *proto.WantPod) {
	if uint64(object.Seq) <= s.synced.Load() {
		return
	}
	if err := s.catalog.Apply(object); err != nil {
		s.log.Error("an object that all nodes know cannot be read", "error", err)
		return
	}
	var err error
	if name := object.Key.String(); object.Gone {
		err = s.journal.Remove(name)
	} else {
		err = s.journal.Put(name, proto.Pack(object))
	}
	if err != nil {
		s.log.Error("what is known of Services is not durable on this node", "error", err)
	}
}

func (s *shared) close() {
	if s != nil {
		_ = s.journal.Close() // every write has told what became of it
	}
}
