package bus

import (
	"encoding/json"
	"testing"

	"github.com/nats-io/nats.go"

	"segno/proto"
)

func TestE1FeedNeverHoldsUpWrites(t *testing.T) {
	f := newFeed(SequencerConfig{Stream: proto.StreamEvents}, nil, orDefault(nil)) // and nobody runs it
	entry := proto.Entry{Envelope: &proto.Envelope{}, Encoded: make([]byte, 100)}
	for range feedGroups + 10 {
		f.offer([]proto.Entry{entry, entry})
	}
	if n := f.dropped.Load(); n != 20 {
		t.Errorf("%d transactions were left out, want 20", n)
	}
	large := newFeed(SequencerConfig{Stream: proto.StreamEvents}, nil, orDefault(nil))
	entry.Encoded = make([]byte, feedBytes/2)
	for range 3 {
		large.offer([]proto.Entry{entry})
	}
	if n := large.dropped.Load(); n != 1 || large.waiting.Load() != feedBytes {
		t.Errorf("%d transactions were left out, %d bytes wait", n, large.waiting.Load())
	}
}

func TestE1FeedIsReadableByPeople(t *testing.T) {
	server := startServer(t, ServerConfig{})
	fold := newTestFold()
	seq := startSequencer(t, server, fold)
	p := parties{server: server}
	person := p.enter(t, RolePerson, "anna")
	heard := make(chan *nats.Msg, 10)
	if _, err := person.nc.ChanSubscribe(proto.FeedSubjects, heard); err != nil {
		t.Fatal(err)
	}
	if err := person.flush(); err != nil {
		t.Fatal(err)
	}
	cmd := createConfigMap("a.b")
	cmd.Correlation = "request-1"
	if _, err := seq.Submit(t.Context(), cmd); err != nil {
		t.Fatal(err)
	}
	msg := <-heard
	var event proto.CloudEvent[proto.Happened]
	if err := json.Unmarshal(msg.Data, &event); err != nil {
		t.Fatal(err)
	}
	if msg.Subject != "feed.-.configmaps.default.a_b" || event.SpecVersion != "1.0" || event.ID != "EVENTS/2/0" || event.Type != "segno.Created" ||
		event.Subject != "configmaps/default/a.b" || event.Data.Actor != "user:test" || event.Data.Correlation != "request-1" || len(event.Data.Body) == 0 {
		t.Errorf("heard at %s: %s", msg.Subject, msg.Data)
	}

	secret := newConfigMap("s")
	body, err := fold.table.Of(configMaps).Encode(secret)
	if err != nil {
		t.Fatal(err)
	}
	env := &proto.Envelope{Seq: 9, Events: []proto.Event{{Kind: "SecretCreated", Key: secrets.Key("default", "s"), Body: body.Spec}}}
	if told := proto.CloudEventOf(proto.SourceUnnamed, proto.StreamEvents, env, 0, nil); told.Data.Body != nil || told.Data.Object != nil {
		t.Error("the content of a secret is in the feed")
	}
}
