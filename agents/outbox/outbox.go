// Package outbox delivers statuses to the control plane: the newest of each
// object, again and again until it is acknowledged. Notes for people go along;
// they are counted when they repeat, and the oldest are dropped when there are
// too many.
//
// What comes in: report items, in order for each object, and notes. What goes
// out: batches of them. What never happens here: an older status after a newer
// one, a loss of one by a crash of the agent, a refused item sent twice. Notes
// are in memory only, and may be lost.
//
// Start with this file; notes.go keeps the notes, and package disk the items.
package outbox

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"segno/agents/disk"
	"segno/agents/wait"
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
	notes   notebook
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
	o := &Outbox{cfg: cfg, folder: folder, signal: make(chan struct{}, 1), entries: map[string]*entry{}, notes: newNotebook()}
	return o, o.load()
}

func (o *Outbox) load() error {
	records, err := o.folder.All()
	if err != nil {
		return err
	}
	if records.Lost != nil {
		o.cfg.Logger.Warn("statuses lost with the machine; they are told anew", "error", records.Lost)
	}
	for uid, data := range records.Whole {
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
	o.wake()
	if o.cfg.Dir == "" {
		return nil
	}
	// Under the lock: files of one object must be written in the order of its items.
	return o.folder.Put(item.UID, proto.Pack(item))
}

// Note takes a line for people. It is told soon, unless the agent ends before.
func (o *Outbox) Note(n proto.NodeNote) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.notes.put(n, time.Now())
	o.wake()
}

func (o *Outbox) wake() {
	select {
	case o.signal <- struct{}{}:
	default:
	}
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
		var pause time.Duration
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			if failures == 0 {
				o.cfg.Logger.Warn("statuses are not delivered; trying again until they are", "waiting", o.Len(), "error", err)
			}
			pause = wait.Spread(firstRetry, mostRetry, failures)
			failures++
		case more:
			failures = 0
			continue
		default:
			failures = 0
			if err := o.idle(ctx); err != nil {
				return err
			}
			pause = o.cfg.Linger
		}
		if err := wait.For(ctx, pause); err != nil {
			return err
		}
	}
}

// idle waits for the next item, or until a note is due.
func (o *Outbox) idle(ctx context.Context) error {
	o.mu.Lock()
	due, waits := o.notes.next()
	o.mu.Unlock()
	var timer <-chan time.Time
	if waits {
		t := time.NewTimer(time.Until(due))
		defer t.Stop()
		timer = t.C
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-o.signal:
	case <-timer:
	}
	return nil
}

// Step delivers one batch; more says that there is another one.
func (o *Outbox) Step(ctx context.Context) (more bool, err error) {
	batch, versions := o.batch()
	report := proto.Report{Items: batch}
	o.takeNotes(&report)
	if len(batch) == 0 && len(report.Notes) == 0 && report.Dropped == 0 {
		return false, nil
	}
	reply, err := o.cfg.Send(ctx, report)
	if err == nil && reply.Retry != "" {
		err = errors.New(reply.Retry)
	}
	if err != nil {
		o.returnNotes(report)
		return false, err
	}
	for i := range batch {
		if i < len(reply.Errors) && reply.Errors[i] != "" {
			o.cfg.Refused(batch[i], reply.Errors[i])
		}
	}
	return o.acknowledge(batch, versions), nil
}

func (o *Outbox) takeNotes(report *proto.Report) {
	o.mu.Lock()
	defer o.mu.Unlock()
	report.Notes, report.Dropped = o.notes.take(report.Items, time.Now())
}

func (o *Outbox) returnNotes(report proto.Report) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.notes.giveBack(report.Notes, report.Dropped, time.Now())
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
