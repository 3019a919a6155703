// Package logs joins the logs of a cluster into what the API reads and writes:
// it is an api.Store and an api.History over projections.
//
// What comes in: for each stream, its projection and the door for commands
// (bus.Sequencer's Submit). What goes out: views, feeds and history, routed by
// the stream of the kind (events.Kind.Stream).
//
// What never happens here: a decision, a write around the door, or a sequence of
// one log used in another: a moment named by a sequence of EVENTS is found in
// the other logs by its clock time.
//
// Start with this file; history.go is the past, lineage.go how the past of a log that
// goes on from another one is read.
package logs

import (
	"context"
	"errors"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"segno/cli/api"
	"segno/cli/api/history"
	"segno/events"
	"segno/projections"
	"segno/proto"
)

// Log is one log: what it was folded into, and the door for writes to it.
type Log struct {
	Fold   *projections.Projection
	Submit func(ctx context.Context, cmd events.Command) (events.Outcome, error)
	// Files compares the log's files, and those of what was archived of it, with the
	// fold; nil is no files.
	Files func(ctx context.Context, progress func(done, total int)) (Files, error)
	// Parent is the log that this one goes on from, as a fork does: what is asked of
	// the time before Fold begins is asked of it. It is only read; nil is none.
	Parent *projections.Projection
}

// Files is what was found of a log's files.
type Files struct {
	Records  int               // that are what they must be
	Restored string            // backup that they are still to be written of; "" when they are
	Archived *history.Archived // nil where nothing was archived
	Problem  string            // what is wrong with the first that is not; "" when all is well
}

// Config names the logs of a cluster by their stream. EVENTS is needed.
type Config struct {
	Name string // of the cluster, for archives
	// Redacted tells that values of Secrets were taken out of the logs.
	Redacted bool
	// Now is the clock; default the real one.
	Now   func() time.Time
	Table *events.Table
	Logs  map[string]Log
}

// Logs is every log of a cluster.
type Logs struct {
	name     string
	redacted bool
	now      func() time.Time
	table    *events.Table
	logs     map[string]Log
	lines    map[string]lineage // by stream, each as far back as it can be read
}

var _ api.Store = (*Logs)(nil)

// New checks that every kind has its log.
func New(cfg Config) (*Logs, error) {
	if cfg.Table == nil {
		return nil, errors.New("new logs: a table of kinds is needed")
	}
	if cfg.Logs[proto.StreamEvents].Fold == nil {
		return nil, fmt.Errorf("new logs: the log %s is needed", proto.StreamEvents)
	}
	for _, kind := range cfg.Table.All() {
		if log := cfg.Logs[kind.Stream]; log.Fold == nil || log.Submit == nil {
			return nil, fmt.Errorf("new logs: kind %s lives in %s, which is not given", kind.GVK.Kind, kind.Stream)
		}
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	lines := make(map[string]lineage, len(cfg.Logs))
	for stream, log := range cfg.Logs {
		lines[stream] = newLineage(log)
	}
	return &Logs{name: cfg.Name, redacted: cfg.Redacted, now: cfg.Now, table: cfg.Table, logs: cfg.Logs, lines: lines}, nil
}

func (l *Logs) of(kind *events.Kind) lineage { return l.lines[kind.Stream] }

// Submit implements api.Store: the command's target says which log it is for.
func (l *Logs) Submit(ctx context.Context, cmd events.Command) (events.Outcome, error) {
	key, ok := keyOf(cmd.Action)
	if !ok {
		return events.Outcome{}, fmt.Errorf("submit %T: it names no object", cmd.Action)
	}
	kind := l.table.Of(key.Resource)
	if kind == nil {
		return events.Outcome{}, apierrors.NewBadRequest(fmt.Sprintf("the server does not know the resource %s", key.Resource))
	}
	return l.logs[kind.Stream].Submit(ctx, cmd)
}

func keyOf(action events.Action) (key proto.ObjectKey, ok bool) {
	switch a := action.(type) {
	case events.Create:
		return a.Key, true
	case events.Update:
		return a.Key, true
	case events.Patch:
		return a.Key, true
	case events.Delete:
		return a.Key, true
	case events.Bind:
		return a.Key, true
	case events.Batch:
		if len(a) > 0 {
			return keyOf(a[0])
		}
	case events.Elect:
	}
	return key, false
}

// View implements api.Store.
func (l *Logs) View(kind *events.Kind) events.View { return l.of(kind).View() }

// At implements api.Store.
func (l *Logs) At(_ context.Context, kind *events.Kind, seq proto.Seq) (events.View, error) {
	view, err := l.of(kind).At(seq)
	return view, status(err)
}

// Resolve implements api.Store.
func (l *Logs) Resolve(_ context.Context, kind *events.Kind, moment api.Moment) (proto.Seq, time.Time, error) {
	truth := l.lines[proto.StreamEvents]
	if err := notBefore(truth, moment); err != nil {
		return 0, moment.Time, err
	}
	at := moment.Time
	if moment.Seq > 0 {
		if last := truth.Position().Seq; moment.Seq > last {
			return 0, at, apierrors.NewBadRequest(fmt.Sprintf("moment %s has not happened yet: the log ends at %s", moment.Seq, last))
		}
		var err error
		if at, err = truth.TimeOf(moment.Seq); err != nil {
			return 0, at, status(err)
		}
		if kind.Stream == proto.StreamEvents {
			return moment.Seq, at, nil
		}
	}
	seq, err := l.of(kind).SeqAt(at)
	return seq, at, status(err)
}

// notBefore refuses a moment before the state that a log begins with, when that is
// not the empty one: what was then, only the log tells that this is a part of.
func notBefore(truth lineage, moment api.Moment) error {
	first := truth.First()
	if first <= 1 {
		return nil
	}
	begin, err := truth.TimeOf(first - 1)
	if err != nil {
		return status(err)
	}
	if moment.Seq >= first-1 || moment.Seq == 0 && !moment.Time.Before(begin) {
		return nil
	}
	what := "moment " + moment.Seq.String()
	if moment.Seq == 0 {
		what = "moment " + moment.Time.UTC().Format(time.RFC3339Nano)
	}
	return apierrors.NewResourceExpired(fmt.Sprintf("%s lies before this log begins: with the state after transaction %s, of %s",
		what, first-1, begin.UTC().Format(time.RFC3339Nano)))
}

// feed adds to a subscription what belongs to the projection.
type feed struct {
	*projections.Subscription
	fold *projections.Projection
}

// Next implements api.Feed.
func (f feed) Next(ctx context.Context) ([]events.Change, error) {
	changes, err := f.Subscription.Next(ctx)
	return changes, status(err)
}

// Object implements api.Feed.
func (f feed) Object(record *events.Record) (events.Object, error) { return f.fold.Object(record) }

// Follow implements api.Store.
func (l *Logs) Follow(kind *events.Kind, after proto.Seq) (api.Feed, error) {
	fold := l.of(kind).Projection
	sub, err := fold.Subscribe(after, projections.Filter{Resources: []proto.Resource{kind.Resource}, Objects: true})
	if err != nil {
		return nil, status(err)
	}
	return feed{Subscription: sub, fold: fold}, nil
}

// status turns a projection's refusals into what clients understand.
func status(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, projections.ErrTooOld):
		return apierrors.NewResourceExpired(err.Error())
	case errors.Is(err, projections.ErrFuture):
		return apierrors.NewBadRequest(err.Error())
	case errors.Is(err, projections.ErrClosed):
		return apierrors.NewServiceUnavailable(err.Error())
	default:
		return err
	}
}
