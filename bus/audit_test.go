package bus

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"segno/proto"
)

// auditing is an audit that runs until stop.
func auditing(t testing.TB, cfg AuditConfig) (a *Audit, stop func()) {
	t.Helper()
	a, err := NewAudit(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("the audit ended with: %v", err)
		}
	})
	t.Cleanup(stop)
	if err := a.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	return a, stop
}

func asked(name string) *proto.AuditEvent {
	now := proto.AuditTime{Time: time.Now()}
	return &proto.AuditEvent{
		AuditID: name, Stage: proto.AuditComplete, Verb: "get", User: proto.AuditUser{Username: "ada"}, RequestURI: "/api/v1/" + name,
		ResponseStatus: &proto.AuditStatus{Code: 200}, RequestReceived: now, StageAt: now,
	}
}

func anything(*proto.AuditEvent) bool { return true }

// names are the ids of what is read, in order.
func names(t testing.TB, a *Audit, span proto.AuditSpan) (out []string) {
	t.Helper()
	for event, err := range a.Read(t.Context(), span, anything) {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, event.AuditID)
	}
	return out
}

func proved(t testing.TB, a *Audit) proto.AuditProof {
	t.Helper()
	proof, err := a.Verify(t.Context(), 0, func(uint64, uint64) {})
	if err != nil {
		t.Fatal(err)
	}
	return proof
}

func TestE13AuditIsReadByTimeAndFromTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, _ := auditing(t, AuditConfig{Server: startServer(t, ServerConfig{})})
		began := time.Now()
		for i := range 300 { // each in a message of its own
			a.Record(asked(fmt.Sprint(i)))
			time.Sleep(10 * time.Second)
		}
		if got := names(t, a, proto.AuditSpan{}); len(got) != 300 || got[0] != "0" || got[299] != "299" {
			t.Errorf("all of it is %v", got)
		}
		if got := names(t, a, proto.AuditSpan{Limit: 3}); !slices.Equal(got, []string{"297", "298", "299"}) {
			t.Errorf("the newest three are %v", got)
		}
		at := func(i int) time.Time { return began.Add(time.Duration(i) * 10 * time.Second) }
		if got := names(t, a, proto.AuditSpan{Since: at(100), Until: at(102)}); !slices.Equal(got, []string{"100", "101", "102"}) {
			t.Errorf("a span is %v", got)
		}
		if got := names(t, a, proto.AuditSpan{Until: at(200), Limit: 2}); !slices.Equal(got, []string{"199", "200"}) {
			t.Errorf("the newest two before a time are %v", got)
		}
		if got := names(t, a, proto.AuditSpan{Since: at(1000)}); len(got) != 0 {
			t.Errorf("what is to come is %v", got)
		}
		if proof := proved(t, a); proof.Problem != "" || proof.Events != 300 || proof.Messages != 300 {
			t.Errorf("proved %+v", proof)
		}
	})
}

func TestE13AuditMakesRequestsWaitAndDropsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, err := NewAudit(AuditConfig{Server: startServer(t, ServerConfig{})})
		if err != nil {
			t.Fatal(err)
		}
		const writers, each = 8, auditQueue / 4
		var all sync.WaitGroup
		for w := range writers {
			all.Go(func() {
				for i := range each {
					a.Record(asked(fmt.Sprintf("%d-%d", w, i)))
				}
			})
		}
		synctest.Wait() // nobody reads it yet
		if len(a.queue) != auditQueue {
			t.Fatalf("%d wait to be written, not %d: it is not full", len(a.queue), auditQueue)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- a.Run(ctx) }()
		all.Wait()
		if got := names(t, a, proto.AuditSpan{}); len(got) != writers*each {
			t.Errorf("%d of %d are there", len(got), writers*each)
		}
		proof := proved(t, a)
		if proof.Problem != "" || proof.Events != writers*each || proof.Messages > proof.Events/10 {
			t.Errorf("proved %+v", proof)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		a.Record(asked("late")) // does not wait for ever
	})
}

func TestE13AuditOutlivesItsProcess(t *testing.T) {
	dir, file := t.TempDir(), filepath.Join(t.TempDir(), "anchor")
	var want []string
	for run := range 3 {
		server, end := serverUntil(t, dir)
		a, stop := auditing(t, AuditConfig{Server: server, Anchor: file})
		for i := range 10 {
			a.Record(asked(fmt.Sprintf("%d-%d", run, i)))
			want = append(want, fmt.Sprintf("%d-%d", run, i))
		}
		if got := names(t, a, proto.AuditSpan{}); !slices.Equal(got, want) {
			t.Errorf("run %d reads %v", run, got)
		}
		a.Record(asked("last")) // and nobody waits for it
		want = append(want, "last")
		if proof := proved(t, a); proof.Problem != "" {
			t.Error(proof.Problem)
		}
		stop()
		end()
	}
}

// serverUntil runs a server on a folder until end.
func serverUntil(t testing.TB, dir string) (server *Server, end func()) {
	t.Helper()
	server, err := NewServer(ServerConfig{StoreDir: dir})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- server.Run(ctx) }()
	end = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(end)
	if err := server.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	return server, end
}

// auditedTo makes an audit of some messages on disk, and answers its one file.
func auditedTo(t testing.TB, dir, anchor string) (block string) {
	t.Helper()
	server, end := serverUntil(t, dir)
	a, stop := auditing(t, AuditConfig{Server: server, Anchor: anchor})
	for i := range 20 {
		a.Record(asked(fmt.Sprintf("request-%d", i)))
		if err := a.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	folder := server.streamDir(proto.StreamAudit)
	stop()
	end()
	blocks, err := filepath.Glob(filepath.Join(folder, "msgs", "*.blk"))
	if err != nil || len(blocks) != 1 {
		t.Fatalf("%v, %v", blocks, err)
	}
	return blocks[0]
}

func TestE13AChangedByteOfTheAuditIsFound(t *testing.T) {
	clean := t.TempDir()
	whole, err := os.ReadFile(auditedTo(t, filepath.Join(clean, "log"), filepath.Join(clean, "anchor")))
	if err != nil {
		t.Fatal(err)
	}
	places := []int{bytes.Index(whole, []byte("request-3")) + 8, bytes.Index(whole, []byte("request-19")) + 9, bytes.Index(whole, []byte(`"prev"`)) + 10, 20}
	for i := range 12 {
		places = append(places, i*len(whole)/12+7)
	}
	for _, place := range places {
		dir := t.TempDir()
		if err := os.CopyFS(dir, os.DirFS(clean)); err != nil {
			t.Fatal(err)
		}
		blocks, _ := filepath.Glob(filepath.Join(dir, "log", "jetstream", "$G", "streams", proto.StreamAudit, "msgs", "*.blk"))
		data := bytes.Clone(whole)
		data[place] ^= 1
		if err := os.WriteFile(blocks[0], data, 0o600); err != nil {
			t.Fatal(err)
		}
		server, end := serverUntil(t, filepath.Join(dir, "log"))
		a, stop := auditing(t, AuditConfig{Server: server, Anchor: filepath.Join(dir, "anchor")})
		if proof := proved(t, a); proof.Problem == "" {
			t.Errorf("byte %d of %d was changed, and all is said to be well: %+v", place, len(data), proof)
		}
		for _, err := range a.Read(t.Context(), proto.AuditSpan{}, anything) { // what is left can be read
			if err != nil {
				t.Errorf("with byte %d changed: %v", place, err)
			}
		}
		stop()
		end()
	}
}

func TestE13ALostEndOfTheAuditIsSaid(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "anchor")
	auditedTo(t, filepath.Join(dir, "log"), file)
	if err := os.RemoveAll(filepath.Join(dir, "log", "jetstream", "$G", "streams", proto.StreamAudit)); err != nil {
		t.Fatal(err)
	}
	for range 2 { // also later: it is part of the audit
		server, end := serverUntil(t, filepath.Join(dir, "log"))
		a, stop := auditing(t, AuditConfig{Server: server, Anchor: file})
		if proof := proved(t, a); !strings.Contains(proof.Problem, "it ends at message 0, but 20 were written") {
			t.Errorf("proved %+v", proof)
		}
		stop()
		end()
	}
}

func TestE13TheAuditIsBoundedInBytes(t *testing.T) {
	server := startServer(t, ServerConfig{})
	a, _ := auditing(t, AuditConfig{Server: server, MaxBytes: 64 << 10})
	for i := range 2000 {
		a.Record(asked(fmt.Sprint(i)))
		if i%10 == 0 {
			if err := a.Flush(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	got := names(t, a, proto.AuditSpan{})
	is, err := a.Extent(t.Context())
	if err != nil || is.Dropped == 0 || is.Dropped+uint64(len(got)) != 2000 || is.MaxBytes != 64<<10 {
		t.Errorf("%d are there, and %+v, %v", len(got), is, err)
	}
	if got[len(got)-1] != "1999" {
		t.Errorf("it ends with %s", got[len(got)-1])
	}
	if proof := proved(t, a); proof.Problem != "" {
		t.Error(proof.Problem)
	}
}

func TestE13ARefusedJoinIsRecorded(t *testing.T) {
	server := startServer(t, ServerConfig{})
	a, _ := auditing(t, AuditConfig{Server: server})
	conn, err := server.Connect("joins")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	j, err := NewJoins(JoinsConfig{Conn: conn, Identities: server.Identities(), Audit: a, Approve: func(context.Context, string, proto.JoinRequest) (proto.JoinReply, error) {
		return proto.JoinReply{}, errors.New("the join token is used up")
	}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	running(t, func() error { return j.Run(ctx) })
	t.Cleanup(cancel)
	for !server.wanted(proto.Join("x")) {
		if err := conn.flush(); err != nil {
			t.Fatal(err)
		}
	}
	token := newToken(t, server, strings.Repeat("0", 64))
	var reply proto.JoinReply
	if err := ask(t.Context(), holder(t, server, token), proto.Join(token.ID), proto.Pack(joinAs(t, "n1")), &reply); err != nil || reply.Error == "" {
		t.Fatalf("answered %+v, %v", reply, err)
	}
	var events []*proto.AuditEvent
	for event, err := range a.Read(t.Context(), proto.AuditSpan{}, anything) {
		if err != nil {
			t.Fatal(err)
		}
		events = append(events, event)
	}
	if len(events) != 1 || events[0].Verb != "join" || events[0].User.Username != "join:"+token.ID || events[0].ResponseStatus.Code != 403 ||
		!strings.Contains(events[0].ResponseStatus.Message, "used up") || events[0].RequestURI != "nats:"+proto.Join(token.ID) {
		t.Errorf("recorded as %+v", events)
	}
}
