package api

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/httpstream/wsstream"

	"segno/cli/api/table"
	"segno/events"
	"segno/proto"
)

// The types of watch events.
const (
	watchAdded    = "ADDED"
	watchModified = "MODIFIED"
	watchDeleted  = "DELETED"
	watchBookmark = "BOOKMARK"
	watchError    = "ERROR"
)

// errGone says that the client does not read any more: nothing is left to do.
var errGone = errors.New("the client went away")

// watchStream writes watch events. It belongs to one goroutine.
type watchStream struct {
	call   *call
	chosen selection
	accept accept
	at     time.Time // for ages in tables
	sink   sink
	feed   Feed
	rows   bool // a table with its columns has been sent
}

func newWatchStream(c *call, chosen selection, a accept, gone context.CancelFunc) *watchStream {
	if a.as == asPartialList {
		a.as = asPartial
	}
	a.pretty = false
	if a.format == formatYAML || wsstream.IsWebSocketRequest(c.r) {
		a.format = formatJSON
	}
	media := a.mediaType()
	if a.format == formatProtobuf {
		media += ";stream=watch"
	}
	return &watchStream{call: c, chosen: chosen, accept: a, sink: c.openSink(media, gone)}
}

// change sends what a transaction did to one object, as this selection sees it:
// an object that comes into the selection was added, one that leaves it deleted.
func (s *watchStream) change(ch *events.Change) error {
	was, err := s.selected(ch.Before)
	if err != nil {
		return err
	}
	is, err := s.selected(ch.After)
	if err != nil {
		return err
	}
	switch {
	case was != nil && is != nil:
		return s.event(watchModified, is)
	case is != nil:
		return s.event(watchAdded, is)
	case was == nil:
		return nil
	}
	if ch.After.Deleted {
		last, err := s.feed.Object(ch.After)
		if err != nil {
			return fmt.Errorf("watch: %w", err)
		}
		return s.event(watchDeleted, last)
	}
	last := events.Copy(was)
	last.SetResourceVersion(ch.Seq.String())
	return s.event(watchDeleted, last)
}

// selected is the object of a record when it is there and selected, else nil.
func (s *watchStream) selected(record *events.Record) (events.Object, error) {
	if record == nil || record.Deleted {
		return nil, nil
	}
	obj, err := s.feed.Object(record)
	if err != nil {
		return nil, fmt.Errorf("watch: %w", err)
	}
	if !s.chosen.matches(obj) {
		return nil, nil
	}
	return obj, nil
}

// event sends one object in the shape asked for.
func (s *watchStream) event(kind string, obj events.Object) error {
	switch s.accept.as {
	case asTable:
		rows := table.Of(s.chosen.kind, []events.Object{obj}, table.Options{
			Now: s.at, Include: s.call.include(), Version: s.accept.gv.Version, Bare: s.rows,
		})
		rows.ResourceVersion = obj.GetResourceVersion()
		s.rows = true
		return s.send(kind, rows, rows.GroupVersionKind())
	case asPartial:
		meta := table.Metadata(obj, s.accept.gv)
		return s.send(kind, meta, meta.GroupVersionKind())
	}
	if s.accept.format == formatProtobuf || s.feed == nil {
		return s.send(kind, obj, s.chosen.kind.GVK)
	}
	data, err := s.call.api.encodings.json(obj, s.chosen.kind)
	if err != nil {
		return fmt.Errorf("encode %s for a watch: %w", s.chosen.kind.GVK, err)
	}
	return s.sink.write(jsonFrame(kind, data))
}

// bookmark tells how far the stream has come; end marks the last of the
// initial events.
func (s *watchStream) bookmark(seq proto.Seq, end bool) error {
	obj := s.chosen.kind.New()
	obj.SetResourceVersion(seq.String())
	if end {
		obj.SetAnnotations(map[string]string{metav1.InitialEventsAnnotationKey: "true"})
	}
	switch s.accept.as {
	case asTable:
		meta := table.Metadata(obj, s.accept.gv)
		rows := &metav1.Table{ListMeta: metav1.ListMeta{ResourceVersion: seq.String()}, ColumnDefinitions: []metav1.TableColumnDefinition{}}
		rows.Rows = []metav1.TableRow{{Cells: []any{}, Object: runtime.RawExtension{Object: meta}}}
		return s.send(watchBookmark, rows, s.accept.gv.WithKind(asTable))
	case asPartial:
		return s.send(watchBookmark, table.Metadata(obj, s.accept.gv), s.accept.gv.WithKind(asPartial))
	default:
		return s.send(watchBookmark, obj, s.chosen.kind.GVK)
	}
}

// failure ends the stream with an error that the client can read.
func (s *watchStream) failure(err error) error {
	status := statusOf(err)
	s.call.trace.failure = status
	if status.Reason == metav1.StatusReasonInternalError {
		s.call.api.log.Error("watch failed", "id", s.call.id, "kind", s.chosen.kind.GVK.Kind, "error", err)
	}
	if sent := s.send(watchError, status, statusKind); sent != nil {
		return sent
	}
	if sent := s.sink.flush(); sent != nil {
		return sent
	}
	return errGone
}

// end maps the reasons for which a stream stops to what the caller does.
func (s *watchStream) end(err error) error {
	if errors.Is(err, errGone) || s.call.r.Context().Err() != nil {
		return nil
	}
	return err
}

// send writes one frame.
func (s *watchStream) send(kind string, obj runtime.Object, gvk schema.GroupVersionKind) error {
	frame, err := s.frame(kind, obj, gvk)
	if err != nil {
		return err
	}
	return s.sink.write(frame)
}

func (s *watchStream) frame(kind string, obj runtime.Object, gvk schema.GroupVersionKind) ([]byte, error) {
	if s.accept.format == formatProtobuf {
		return protobufFrame(kind, obj, gvk)
	}
	data, err := json.Marshal(stamped(obj, gvk))
	if err != nil {
		return nil, fmt.Errorf("encode %s for a watch: %w", gvk, err)
	}
	return jsonFrame(kind, data), nil
}

// jsonFrame is a watch event in a line of its own.
func jsonFrame(kind string, data []byte) []byte {
	frame := make([]byte, 0, len(data)+40)
	frame = append(frame, `{"type":"`...)
	frame = append(frame, kind...)
	frame = append(frame, `","object":`...)
	frame = append(frame, data...)
	return append(frame, "}\n"...)
}

// protobufFrame is a WatchEvent behind its length in four bytes.
func protobufFrame(kind string, obj runtime.Object, gvk schema.GroupVersionKind) ([]byte, error) {
	m, ok := obj.(marshaler)
	if !ok {
		return nil, notAcceptable()
	}
	raw, err := encodeProtobuf(m, gvk)
	if err != nil {
		return nil, err
	}
	event := metav1.WatchEvent{Type: kind, Object: runtime.RawExtension{Raw: raw}}
	body, err := event.Marshal() // bare, as streams are
	if err != nil {
		return nil, fmt.Errorf("encode %s for a watch: %w", gvk, err)
	}
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(body))), body...), nil
}
