// Package outbox delivers statuses to the control plane: the newest of each
// object, again and again until it is acknowledged.
//
// What comes in: report items, in order for each object. What goes out:
// batches of them. What never happens here: an older status after a newer
// one, a loss by a crash of the agent, a refused item sent twice.
//
// All of it is in this file; package disk keeps the items.
package outbox

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"segno/agents/disk"
	"segno/proto"
)

// Config of an Outbox. Send is required.
type Config struct {
	// Dir keeps what is not yet acknowledged; empty keeps it in memory only.
	Dir string
	// Send delivers one report and answers when it is acknowledged or refused.
	Send func(context.Context, proto.Report) (proto.Reply, error)
	// Linger is how long the first item waits for company; 0 means 5 ms.
	Linger time.Duration
	// Refused is told what the control plane refused for good.
	Refused func(item proto.ReportItem, why string)
	Logger  *slog.Logger
}

const (
	mostItems  = 256
	mostBytes  = 512 << 10 // of statuses in one report: it must fit a message
	firstRetry = 100 * time.Millisecond
	mostRetry  = 5 * time.Second
)

// Outbox keeps the newest unacknowledged item of each object.
type Outbox struct {
	cfg    Config
	folder disk.Folder
	signal chan struct{}

	mu      sync.Mutex
	entries map[string]*entry // by UID
	order   []string          // UIDs by the time of their first unacknowledged item
	version uint64
}

type entry struct {
	item    proto.ReportItem
	version uint64 // an acknowledgement counts only for the version that was sent
}

// New reads what an earlier agent could not deliver.
func New(cfg Config) (*Outbox, error) {
	if cfg.Send == nil {
		return nil, errors.New("outbox.New: Send is required")
	}
	if cfg.Linger == 0 {
		cfg.Linger = 5 * time.Millisecond
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Refused == nil {
		cfg.Refused = func(proto.ReportItem, string) {}
	}
	folder, err := disk.Open(cfg.Dir)
	if err != nil {
		return nil, err
	}
	o := &Outbox{cfg: cfg, folder: folder, signal: make(chan struct{}, 1), entries: map[string]*entry{}}
	return o, o.load()
}

func (o *Outbox) load() error {
	records, err := o.folder.All()
	if records == nil {
		return err
	}
	if err != nil {
		o.cfg.Logger.Warn("statuses lost with the machine; they are told anew", "error", err)
	}
	for uid, data := range records {
		var item proto.ReportItem
		if err := proto.Unpack(data, &item); err != nil {
			o.cfg.Logger.Warn("unreadable status; it is told anew", "uid", uid, "error", err)
			continue
		}
		o.keep(item)
	}
	return nil
}

// Put takes the newest status of an object in the place of an older one. It
// is durable when Put returns; an error says that it is in memory only. After
// an item that ended the object, others of it are ignored.
func (o *Outbox) Put(item proto.ReportItem) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if e := o.entries[item.UID]; e != nil && e.item.Ended && !item.Ended {
		return nil
	}
	o.keep(item)
	select {
	case o.signal <- struct{}{}:
	default:
	}
	if o.cfg.Dir == "" {
		return nil
	}
	// Under the lock: files of one object must be written in the order of its items.
	return o.folder.Put(item.UID, proto.Pack(item))
}

func (o *Outbox) keep(item proto.ReportItem) {
	o.version++
	e := o.entries[item.UID]
	if e == nil {
		e = &entry{}
		o.entries[item.UID] = e
		o.order = append(o.order, item.UID)
	}
	e.item, e.version = item, o.version
}

// Len is the number of unacknowledged items.
func (o *Outbox) Len() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.entries)
}

// Run delivers until ctx ends.
func (o *Outbox) Run(ctx context.Context) error {
	for failures := 0; ; {
		more, err := o.Step(ctx)
		var wait time.Duration
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			if failures == 0 {
				o.cfg.Logger.Warn("statuses are not delivered; trying again until they are", "waiting", o.Len(), "error", err)
			}
			wait = retryAfter(failures)
			failures++
		case more:
			failures = 0
			continue
		default:
			failures = 0
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-o.signal:
			}
			wait = o.cfg.Linger
		}
		if err := sleep(ctx, wait); err != nil {
			return err
		}
	}
}

// retryAfter doubles, and spreads the nodes of a cluster over time.
func retryAfter(failures int) time.Duration {
	d := min(mostRetry, firstRetry<<min(failures, 10))
	return d/2 + rand.N(d/2+1)
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// Step delivers one batch; more says that there is another one.
func (o *Outbox) Step(ctx context.Context) (more bool, err error) {
	batch, versions := o.batch()
	if len(batch) == 0 {
		return false, nil
	}
	reply, err := o.cfg.Send(ctx, proto.Report{Items: batch})
	if err != nil {
		return false, err
	}
	if reply.Retry != "" {
		return false, errors.New(reply.Retry)
	}
	for i := range batch {
		if i < len(reply.Errors) && reply.Errors[i] != "" {
			o.cfg.Refused(batch[i], reply.Errors[i])
		}
	}
	return o.acknowledge(batch, versions), nil
}

func (o *Outbox) batch() (items []proto.ReportItem, versions []uint64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	size := 0
	for _, uid := range o.order {
		e := o.entries[uid]
		size += len(e.item.Status)
		if len(items) == mostItems || (len(items) > 0 && size > mostBytes) {
			break
		}
		items, versions = append(items, e.item), append(versions, e.version)
	}
	return items, versions
}

// acknowledge forgets what was sent, unless something newer took its place.
func (o *Outbox) acknowledge(batch []proto.ReportItem, versions []uint64) (more bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.order = o.order[:copy(o.order, o.order[len(batch):])]
	for i := range batch {
		uid := batch[i].UID
		e := o.entries[uid]
		if e.version != versions[i] {
			o.order = append(o.order, uid)
			continue
		}
		delete(o.entries, uid)
		if err := o.folder.Remove(uid); err != nil {
			o.cfg.Logger.Warn("a delivered status may be delivered again", "uid", uid, "error", err)
		}
	}
	return len(o.order) > 0
}
