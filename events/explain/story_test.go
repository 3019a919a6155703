package explain

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"segno/events"
	"segno/events/kinds"
	"segno/proto"
)

var table = kinds.Table()

// start is when a story begins; each transaction comes a second after the one
// before.
var start = time.Date(2026, 11, 23, 3, 0, 0, 0, time.UTC)

// story is a made-up log. It is a Past, and has a View of every moment.
type story struct {
	t        *testing.T
	log      []*proto.Envelope
	versions map[proto.ObjectKey][]events.Version // oldest first
	notes    []*corev1.Event
	first    proto.Seq // that the log tells of; what was before, it begins with
	asked    int       // look-ups: nothing is to be scanned
}

func newStory(t *testing.T) *story {
	return &story{t: t, versions: map[proto.ObjectKey][]events.Version{}}
}

// gone is the end of an object in a transaction.
type gone struct{ proto.ObjectKey }

// tell appends a transaction: objects as they are after it, or gone.
func (s *story) tell(actor proto.Actor, cause proto.Seq, reason string, what ...any) proto.Seq {
	s.t.Helper()
	seq := proto.Seq(len(s.log) + 1)
	env := &proto.Envelope{Seq: seq, At: start.Add(time.Duration(seq) * time.Second), Actor: actor, Verb: "update", Cause: proto.Cause{Seq: cause}}
	if cause == 0 {
		env.Cause.Request = "request"
	}
	if actor.Person() {
		env.Via = "segno do " + reason
	}
	s.log = append(s.log, env)
	for _, w := range what {
		switch w := w.(type) {
		case gone:
			before := s.newest(w.ObjectKey)
			s.add(env, proto.Event{Kind: "Deleted", Reason: reason, Key: w.ObjectKey, UID: before.UID, Section: proto.SectionGone})
		case events.Object:
			s.object(env, reason, w)
		}
	}
	return seq
}

func (s *story) newest(key proto.ObjectKey) *events.Record {
	if all := s.versions[key]; len(all) > 0 {
		return all[len(all)-1].Record
	}
	return nil
}

func (s *story) object(env *proto.Envelope, reason string, obj events.Object) {
	kind := kindFor(obj)
	if obj.GetUID() == "" {
		obj.SetUID(types.UID("uid-" + obj.GetName()))
	}
	is, err := kind.Encode(obj)
	if err != nil {
		s.t.Fatal(err)
	}
	key, before := kind.KeyOf(obj), s.newest(kind.KeyOf(obj))
	fresh := before == nil || before.Deleted || before.UID != string(obj.GetUID())
	ev := proto.Event{Kind: kind.GVK.Kind + "Changed", Reason: reason, Key: key, UID: string(obj.GetUID()), Encoding: proto.EncodingProtobuf}
	if fresh || !bytes.Equal(before.Spec, is.Spec) {
		ev.Section, ev.Body = proto.SectionSpec, is.Spec
		s.add(env, ev)
	}
	if kind.HasStatus && (fresh || !bytes.Equal(before.Status, is.Status)) {
		ev.Section, ev.Body = proto.SectionStatus, is.Status
		s.add(env, ev)
	}
}

func (s *story) add(env *proto.Envelope, ev proto.Event) {
	env.Events = append(env.Events, ev)
	all := s.versions[ev.Key]
	record := events.Apply(s.newest(ev.Key), &env.Events[len(env.Events)-1], env.Seq, env.At)
	if n := len(all); n > 0 && all[n-1].Record.Seq == env.Seq {
		all = all[:n-1]
	}
	s.versions[ev.Key] = append(all, events.Version{Record: record, Envelope: env})
}

func kindFor(obj events.Object) *events.Kind {
	want := fmt.Sprintf("%T", obj)
	for _, kind := range table.All() {
		if fmt.Sprintf("%T", kind.New()) == want {
			return kind
		}
	}
	panic("no kind of " + want)
}

func (s *story) Versions(key proto.ObjectKey, last proto.Seq, limit int) (out []events.Version, _ error) {
	s.asked++
	for _, v := range slices.Backward(s.versions[key]) {
		if v.Record.Seq <= last && v.Record.Seq >= s.first && len(out) < limit {
			out = append(out, v)
		}
	}
	return out, nil
}

func (s *story) Beginning(key proto.ObjectKey) (*events.Record, error) {
	s.asked++
	for _, v := range slices.Backward(s.versions[key]) {
		if v.Record.Seq < s.first {
			return v.Record, nil
		}
	}
	return nil, nil
}

func (s *story) Transaction(seq proto.Seq) (*proto.Envelope, error) {
	s.asked++
	if seq == 0 || seq < s.first || int(seq) > len(s.log) {
		return nil, nil
	}
	return s.log[seq-1], nil
}

func (s *story) At(seq proto.Seq) (events.View, error) { return moment{s, seq}, nil }

func (s *story) Effects(seq proto.Seq) (out []proto.Seq, _ error) {
	for _, env := range s.log {
		if env.Cause.Seq == seq {
			out = append(out, env.Seq)
		}
	}
	return out, nil
}

func (s *story) Notes(_ string, uid types.UID) (out []*corev1.Event, _ error) {
	for _, n := range s.notes {
		if n.InvolvedObject.UID == uid {
			out = append(out, n)
		}
	}
	return out, nil
}

// moment is the cluster as of a sequence.
type moment struct {
	*story
	seq proto.Seq
}

func (m moment) Seq() proto.Seq { return m.seq }

func (m moment) Get(key proto.ObjectKey) (events.Object, error) {
	found, _ := m.Versions(key, m.seq, 1)
	if len(found) == 0 || found[0].Record.Deleted {
		return nil, nil
	}
	return table.Decode(found[0].Record)
}

func (m moment) List(query events.Query) (page events.Page, _ error) {
	for key := range m.versions {
		if key.Resource != query.Resource {
			continue
		}
		obj, err := m.Get(key)
		if err != nil {
			return page, err
		}
		if obj != nil && query.Matches(table.Of(key.Resource), obj) {
			page.Items = append(page.Items, obj)
		}
	}
	return page, nil
}

// ask asks as of a sequence; 0 is the end of the story.
func (s *story) ask(key proto.ObjectKey, question Question, at proto.Seq) *Answer {
	s.t.Helper()
	if at == 0 {
		at = proto.Seq(len(s.log))
	}
	s.asked = 0
	answer, err := Explain(Ask{Table: table, Past: s, View: moment{s, at}, Key: key, Question: question})
	if err != nil {
		s.t.Fatal(err)
	}
	return answer
}

// drawn is the way from the beginning to each end of an answer: "1>3~>4" is 4
// because of 3, which was found out, which is because of 1.
func (s *story) drawn(a *Answer) string {
	var out []string
	for _, end := range a.Ends {
		way := end.Transaction.Seq.String()
		for env := end.Transaction; ; {
			cause, sign := env.Cause.Seq, ">"
			if link, ok := a.Links[env.Seq]; ok {
				cause, sign = link.Cause, "~>"
			} else if env.Actor.Person() {
				break // an undo names what it takes back
			}
			if cause == 0 {
				break
			}
			env = s.log[cause-1]
			way = cause.String() + sign + way
		}
		out = append(out, way)
	}
	return strings.Join(out, " ")
}
