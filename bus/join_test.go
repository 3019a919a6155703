package bus

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/nats-io/nats.go"

	"segno/proto"
)

// joins runs the control plane's side of joining and answers what it logs.
func joins(t *testing.T, server *Server, approve Approve) (conn *Conn, logged *bytes.Buffer) {
	t.Helper()
	conn, err := server.Connect("joins")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	logged = &bytes.Buffer{}
	j, err := NewJoins(JoinsConfig{
		Conn: conn, Identities: server.Identities(), Approve: approve, Log: slog.New(slog.NewTextHandler(logged, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	running(t, func() error { return j.Run(ctx) })
	t.Cleanup(cancel)
	for !server.wanted(proto.Join("x")) { // it hears
		if err := conn.flush(); err != nil {
			t.Fatal(err)
		}
	}
	return conn, logged
}

// holder is connected with a token.
func holder(t *testing.T, server *Server, token Token) *Conn {
	t.Helper()
	conn, err := Connect(t.Context(), ConnectConfig{Server: server, Name: token.ID, Actor: token.actor(), Seed: token.Seed})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	return conn
}

func joinAs(t *testing.T, name string) proto.JoinRequest {
	t.Helper()
	credential, err := NewCredential("node:" + proto.Actor(name))
	if err != nil {
		t.Fatal(err)
	}
	return proto.JoinRequest{Name: proto.NodeName(name), Public: credential.Public}
}

func TestN5AFloodOfJoinsIsBounded(t *testing.T) {
	server := startServer(t, ServerConfig{})
	begun, release := make(chan struct{}, 10*joinsWaiting), make(chan struct{})
	control, logged := joins(t, server, func(context.Context, string, proto.JoinRequest) (proto.JoinReply, error) {
		begun <- struct{}{}
		<-release
		return proto.JoinReply{}, errors.New("not now")
	})
	token := newToken(t, server, strings.Repeat("0", 64))
	conn := holder(t, server, token)
	inbox := conn.nc.NewInbox()
	answers := make(chan *nats.Msg, 10*joinsWaiting)
	if _, err := conn.nc.ChanSubscribe(inbox, answers); err != nil {
		t.Fatal(err)
	}
	request := proto.Pack(joinAs(t, "n1"))
	for i := range 3 * joinsWaiting {
		if err := conn.nc.PublishRequest(proto.Join(token.ID), inbox, request); err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			<-begun
		}
	}
	for _, c := range []*Conn{conn, control} { // all are with the control plane
		if err := c.flush(); err != nil {
			t.Fatal(err)
		}
	}
	close(release)
	for range joinsWaiting {
		<-answers
	}
	var reply proto.JoinReply
	if err := ask(t.Context(), conn, proto.Join(token.ID), proto.Pack(proto.JoinRequest{Name: "Last_One"}), &reply); err != nil {
		t.Fatal(err)
	}
	if n := len(answers); n > 1 { // the one that was under way
		t.Errorf("%d requests waited, want at most %d", joinsWaiting+n-1, joinsWaiting)
	}
	if n := strings.Count(logged.String(), "a machine was refused"); n != 1 {
		t.Errorf("logged %d times, want once", n)
	}
	if err := ask(t.Context(), conn, proto.Join(token.ID), make([]byte, longestJoin+1), &reply); err != nil || !strings.Contains(reply.Error, "at most") {
		t.Errorf("a huge request is answered %+v, %v", reply, err)
	}
}

// Whoever has used a token hears so, and is sent away.
func TestN5ASpentTokenHoldsNoConnection(t *testing.T) {
	synctest.Test(t, spentTokenHoldsNoConnection)
}

func spentTokenHoldsNoConnection(t *testing.T) {
	server := startServer(t, ServerConfig{})
	var token Token
	joins(t, server, func(_ context.Context, _ string, request proto.JoinRequest) (proto.JoinReply, error) {
		if request.Name == "n2" { // as whoever follows the tokens in the log does it
			server.Identities().Retire(token.Public)
		}
		return proto.JoinReply{Cluster: "demo"}, nil
	})
	for _, name := range []string{"n1", "n2"} {
		token = newToken(t, server, strings.Repeat("0", 64))
		first, second := holder(t, server, token), holder(t, server, token)
		lost := make(chan string, 2)
		first.hold(t, func() { lost <- "first" })
		second.hold(t, func() { lost <- "second" })
		var reply proto.JoinReply
		if err := ask(t.Context(), first, proto.Join(token.ID), proto.Pack(joinAs(t, name)), &reply); err != nil || reply.Cluster != "demo" {
			t.Fatalf("answered %+v, %v", reply, err)
		}
		if both := <-lost + <-lost; !strings.Contains(both, "first") || !strings.Contains(both, "second") {
			t.Errorf("lost %s", both)
		}
	}
}

func TestN1ALostAnswerToAJoinSaysWhatToDo(t *testing.T) {
	ca, config := authority(t)
	server := startServer(t, ServerConfig{Listen: "127.0.0.1:0", TLS: config, Authority: ca})
	ctx, cancel := context.WithCancel(t.Context())
	given := make(chan struct{})
	joins(t, server, func(context.Context, string, proto.JoinRequest) (proto.JoinReply, error) {
		cancel()
		<-given
		return proto.JoinReply{}, nil
	})
	token := newToken(t, server, fingerprintOf(t, ca))
	_, err := Join(ctx, fmt.Sprintf("tls://%s", server.Addr()), token.String(), "n7")
	close(given)
	for _, want := range []string{"may be spent", "segno delete node n7", "segno token create"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not say %q", err, want)
		}
	}
}
