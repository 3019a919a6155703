package bus

import (
	"context"
	"fmt"
	"iter"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"segno/events"
	"segno/proto"
)

var (
	configMaps = proto.Resource{Name: "configmaps"}
	secrets    = proto.Resource{Name: "secrets"}
)

// testTable is as much of the table of kinds as these tests need.
func testTable() *events.Table {
	return events.NewTable(
		&events.Kind{GVK: gvk("ConfigMap"), Resource: configMaps, Namespaced: true, Stream: proto.StreamEvents,
			New: func() events.Object { return &corev1.ConfigMap{} }},
		&events.Kind{GVK: gvk("Pod"), Resource: podResource, Namespaced: true, HasStatus: true, Stream: proto.StreamEvents,
			New: func() events.Object { return &corev1.Pod{} }},
		&events.Kind{GVK: gvk("Secret"), Resource: secrets, Namespaced: true, Stream: proto.StreamEvents,
			New: func() events.Object { return &corev1.Secret{} }},
	)
}

func gvk(kind string) schema.GroupVersionKind {
	return schema.GroupVersionKind{Version: "v1", Kind: kind}
}

// testDecide is a small Decide: create refuses what exists, update with an
// equal object is a no-op, delete refuses what does not exist.
func testDecide(table *events.Table, view events.View, cmd events.Command, _ time.Time) (events.Decision, error) {
	switch action := cmd.Action.(type) {
	case events.Elect:
		return events.Decision{Verb: "elect", Events: []proto.Event{{Kind: "LeaderElected", Reason: action.ID, Section: proto.SectionMark}}}, nil
	case events.Create:
		if have, err := view.Get(action.Key); err != nil || have != nil {
			return events.Decision{}, exists(action.Key, err)
		}
		object := events.Copy(action.Object)
		object.SetUID(action.UID)
		return decided1(table, "create", "Created", action.Key, object)
	case events.Update:
		have, err := view.Get(action.Key)
		if err != nil || have == nil {
			return events.Decision{}, missing(action.Key, err)
		}
		object := events.Copy(action.Object)
		object.SetUID(have.GetUID())
		if maps.Equal(object.GetLabels(), have.GetLabels()) {
			return events.Decision{Verb: "update", Object: have}, nil
		}
		return decided1(table, "update", "Changed", action.Key, object)
	case events.Delete:
		have, err := view.Get(action.Key)
		if err != nil || have == nil {
			return events.Decision{}, missing(action.Key, err)
		}
		return events.Decision{Verb: "delete", Object: events.Copy(have), Deleted: true, Touched: []events.Touched{{Key: action.Key}}, Events: []proto.Event{{Kind: "Deleted", Key: action.Key, UID: string(have.GetUID()), Section: proto.SectionGone}}}, nil
	default:
		return events.Decision{}, fmt.Errorf("not in this test: %T", action)
	}
}

func exists(key proto.ObjectKey, err error) error {
	if err != nil {
		return err
	}
	return apierrors.NewAlreadyExists(schema.GroupResource{Resource: key.Resource.Name}, key.Name)
}

func missing(key proto.ObjectKey, err error) error {
	if err != nil {
		return err
	}
	return apierrors.NewNotFound(schema.GroupResource{Resource: key.Resource.Name}, key.Name)
}

func decided1(table *events.Table, verb, kind string, key proto.ObjectKey, object events.Object) (events.Decision, error) {
	sections, err := table.Of(key.Resource).Encode(object)
	if err != nil {
		return events.Decision{}, err
	}
	return events.Decision{
		Verb: verb, Object: object, Created: verb == "create",
		Touched: []events.Touched{{Key: key, Object: object}},
		Events: []proto.Event{{
			Kind: kind, Key: key, UID: string(object.GetUID()), Section: proto.SectionSpec,
			Encoding: proto.EncodingProtobuf, Body: sections.Spec,
		}},
	}, nil
}

func newConfigMap(name string, labels ...string) *corev1.ConfigMap {
	cm := &corev1.ConfigMap{}
	cm.Name, cm.Namespace = name, "default"
	for _, label := range labels {
		cm.Labels = map[string]string{label: "x"}
	}
	return cm
}

func createConfigMap(name string) events.Command {
	return events.Command{Actor: "user:test", Action: events.Create{
		Key: configMaps.Key("default", name), Object: newConfigMap(name), UID: types.UID("uid-" + name),
	}}
}

// testFold is a Fold in memory; with a file, each Commit is written and synced.
type testFold struct {
	table *events.Table

	mu      sync.Mutex
	at      proto.Position
	encoded map[proto.Seq][]byte
	records map[proto.ObjectKey]*events.Record
	groups  []int // sizes of the commits
	changes []events.Change
	changed chan struct{} // closed and made anew by each Commit
	file    *os.File
	fail    error         // answered by Commit
	gate    chan struct{} // when set, Commit takes one from it first
}

func newTestFold() *testFold { return newTestFoldOf(testTable()) }

func newTestFoldOf(table *events.Table) *testFold {
	return &testFold{
		table: table, encoded: map[proto.Seq][]byte{}, records: map[proto.ObjectKey]*events.Record{}, changed: make(chan struct{}),
	}
}

func (f *testFold) Position() proto.Position {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.at
}

func (f *testFold) Commit(entries []proto.Entry, logged func() error) error {
	if logged != nil {
		if err := logged(); err != nil {
			return err
		}
	}
	if f.gate != nil {
		<-f.gate
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.fail != nil {
		return f.fail
	}
	for _, e := range entries {
		if e.Envelope.Seq != f.at.Seq+1 {
			return fmt.Errorf("fold is at %s, cannot take %s", f.at.Seq, e.Envelope.Seq)
		}
		for i := range e.Envelope.Events {
			ev := &e.Envelope.Events[i]
			before := f.records[ev.Key]
			after := events.Apply(before, ev, e.Envelope.Seq, e.Envelope.At)
			f.records[ev.Key] = after
			f.changes = append(f.changes, events.Change{Seq: e.Envelope.Seq, Actor: e.Envelope.Actor, Event: *ev, Before: before, After: after})
		}
		f.encoded[e.Envelope.Seq] = e.Encoded
		f.at = proto.Position{Seq: e.Envelope.Seq, Hash: e.Hash, Term: e.Envelope.Term, At: e.Envelope.At}
		if f.file != nil {
			if _, err := f.file.Write(e.Encoded); err != nil {
				return err
			}
		}
	}
	f.groups = append(f.groups, len(entries))
	close(f.changed)
	f.changed = make(chan struct{})
	if f.file != nil {
		return f.file.Sync()
	}
	return nil
}

func (f *testFold) Encoded(seq proto.Seq) ([]byte, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	data, ok := f.encoded[seq]
	if !ok {
		return nil, fmt.Errorf("no transaction %s", seq)
	}
	return data, nil
}

// Watch follows the changes, as a projection does: of those that one transaction
// makes to an object it yields the last.
func (f *testFold) Watch(ctx context.Context, after proto.Seq, resources ...proto.Resource) iter.Seq2[events.Change, error] {
	return func(yield func(events.Change, error) bool) {
		for next := 0; ctx.Err() == nil; {
			f.mu.Lock()
			behind, changed := f.changes[next:], f.changed
			f.mu.Unlock()
			next += len(behind)
			for i, c := range behind {
				same := func(o events.Change) bool { return o.Seq == c.Seq && o.Event.Key == c.Event.Key }
				if i+1 < len(behind) && same(behind[i+1]) {
					continue
				}
				for first := i - 1; first >= 0 && same(behind[first]); first-- {
					c.Before = behind[first].Before
				}
				if c.Seq > after && slices.Contains(resources, c.Event.Key.Resource) && !yield(c, nil) {
					return
				}
			}
			select {
			case <-changed:
			case <-ctx.Done():
			}
		}
	}
}

func (f *testFold) View() events.View { return testView{f} }

// testView reads the fold as it is now, under its lock.
type testView struct{ fold *testFold }

func (v testView) Seq() proto.Seq { return v.fold.Position().Seq }

func (v testView) Get(key proto.ObjectKey) (events.Object, error) {
	v.fold.mu.Lock()
	defer v.fold.mu.Unlock()
	record := v.fold.records[key]
	if record == nil || record.Deleted {
		return nil, nil
	}
	return v.fold.table.Decode(record)
}

func (v testView) List(query events.Query) (events.Page, error) {
	v.fold.mu.Lock()
	defer v.fold.mu.Unlock()
	var items []events.Object
	for key, record := range v.fold.records {
		if key.Resource != query.Resource || record.Deleted {
			continue
		}
		object, err := v.fold.table.Decode(record)
		if err != nil {
			return events.Page{}, err
		}
		if query.Matches(v.fold.table.Of(query.Resource), object) {
			items = append(items, object)
		}
	}
	slices.SortFunc(items, func(a, b events.Object) int { return strings.Compare(a.GetName(), b.GetName()) })
	return events.Page{Items: items}, nil
}

// running runs something with a Run until the test ends and fails the test
// when it returns an error.
func running(t testing.TB, run func() error) {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- run() }()
	t.Cleanup(func() {
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}
