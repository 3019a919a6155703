package projections

import (
	"fmt"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"segno/events"
	"segno/events/kinds"
	"segno/proto"
)

var (
	table      = kinds.Table()
	configMaps = proto.Resource{Name: "configmaps"}
	namespaces = proto.Resource{Name: "namespaces"}
	notes      = proto.Resource{Name: "events"}
	birth      = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
)

// script writes a log: chained entries, a second apart.
type script struct {
	seq  proto.Seq
	hash proto.Hash
	at   time.Time
	log  []proto.Entry
}

// add appends one transaction of the given events.
func (s *script) add(evs ...proto.Event) proto.Entry { return s.because(0, evs...) }

func (s *script) because(cause proto.Seq, evs ...proto.Event) proto.Entry {
	if s.at.IsZero() {
		s.at = birth
	}
	s.seq++
	s.at = s.at.Add(time.Second)
	env := &proto.Envelope{
		Seq: s.seq, Term: 1, At: s.at, Actor: "user:test", Verb: "test", Correlation: "r1", Prev: s.hash,
		Cause: proto.Cause{Seq: cause}, Events: evs,
	}
	e := entryOf(proto.Encode(env))
	s.hash = e.Hash
	s.log = append(s.log, e)
	return e
}

func entryOf(encoded []byte) proto.Entry {
	env, err := proto.Decode(encoded)
	if err != nil {
		panic(err)
	}
	return proto.Entry{Envelope: env, Encoded: encoded, Hash: proto.HashOf(encoded)}
}

func kindOf(obj events.Object) *events.Kind {
	switch obj.(type) {
	case *corev1.Pod:
		return table.Of(pods)
	case *corev1.ConfigMap:
		return table.Of(configMaps)
	case *corev1.Namespace:
		return table.Of(namespaces)
	case *corev1.Event:
		return table.Of(notes)
	default:
		panic(fmt.Sprintf("no kind for %T", obj))
	}
}

func sectionsOf(obj events.Object) (proto.ObjectKey, events.Sections) {
	kind := kindOf(obj)
	s, err := kind.Encode(obj)
	if err != nil {
		panic(err)
	}
	return kind.KeyOf(obj), s
}

func specified(obj events.Object) proto.Event {
	key, s := sectionsOf(obj)
	return proto.Event{
		Kind: "Specified", Key: key, UID: string(obj.GetUID()),
		Section: proto.SectionSpec, Encoding: proto.EncodingProtobuf, Body: s.Spec,
	}
}

func observed(obj events.Object) proto.Event {
	key, s := sectionsOf(obj)
	return proto.Event{
		Kind: "Observed", Key: key, UID: string(obj.GetUID()),
		Section: proto.SectionStatus, Encoding: proto.EncodingProtobuf, Body: s.Status,
	}
}

func ended(obj events.Object) proto.Event {
	return proto.Event{Kind: "Ended", Key: kindOf(obj).KeyOf(obj), UID: string(obj.GetUID()), Section: proto.SectionGone}
}

func marked() proto.Event { return proto.Event{Kind: "LeaderElected", Section: proto.SectionMark} }

func configMap(namespace, name, uid, value string, labels ...string) *corev1.ConfigMap {
	return &corev1.ConfigMap{ObjectMeta: meta1(namespace, name, uid, labels), Data: map[string]string{"v": value}}
}

func pod(namespace, name, uid, node string, phase corev1.PodPhase, labels ...string) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: meta1(namespace, name, uid, labels),
		Spec:       corev1.PodSpec{NodeName: node, Containers: []corev1.Container{{Name: "c", Image: "i"}}},
		Status:     corev1.PodStatus{Phase: phase},
	}
}

func meta1(namespace, name, uid string, labels []string) metav1.ObjectMeta {
	m := metav1.ObjectMeta{Namespace: namespace, Name: name, UID: types.UID(uid)}
	for i := 0; i+1 < len(labels); i += 2 {
		if m.Labels == nil {
			m.Labels = map[string]string{}
		}
		m.Labels[labels[i]] = labels[i+1]
	}
	return m
}

func open(t testing.TB, cfg Config) *Projection {
	t.Helper()
	if cfg.Table == nil {
		cfg.Table = table
	}
	p, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

func commit(t testing.TB, p *Projection, entries ...proto.Entry) {
	t.Helper()
	if err := p.Commit(entries, nil); err != nil {
		t.Fatal(err)
	}
}
