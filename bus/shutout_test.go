package bus

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"
)

// lines is a log that several may write to.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(text []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(text)
}

func (l *lines) count(what string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.text.String(), what)
}

func (l *lines) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

// TestN5WhoIsShutOutLearnsItOnce, and neither side fills its log with it. Who is
// let in again comes back.
func TestN5WhoIsShutOutLearnsItOnce(t *testing.T) {
	var here, there lines
	server := startServer(t, ServerConfig{Listen: "127.0.0.1:0", Log: there.logger()})
	credential, err := NewCredential("node:n1")
	if err != nil {
		t.Fatal(err)
	}
	n1 := Identity{Role: RoleNode, Name: "n1", Public: credential.Public}
	if err := server.Identities().Add(n1); err != nil {
		t.Fatal(err)
	}
	told := make(chan struct{}, 100)
	conn, err := Connect(t.Context(), ConnectConfig{
		URL: "nats://" + server.Addr().String(), Name: "n1", Actor: credential.Actor, Seed: credential.Seed, Log: here.logger(),
		ShutOut: func() { told <- struct{}{} }, firstPause: time.Millisecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for range 2 {
		server.Identities().Remove(n1.Public)
		<-told
		if err := server.Identities().Add(n1); err != nil {
			t.Fatal(err)
		}
		for conn.flush() != nil {
			t.Log("not back yet")
		}
	}
	if n := len(told); n > 0 {
		t.Errorf("told %d times too often", n)
	}
	if n := here.count("level=ERROR"); n > 0 {
		t.Errorf("the one who was shut out logged %d errors: %s", n, &here.text)
	}
	if n := there.count("a connection is refused"); n != 1 || there.count("level=ERROR") > 0 {
		t.Errorf("the server told of %d refusals: %s", n, &there.text)
	}
}

func TestN5RefusalsSlowDown(t *testing.T) {
	s := shutOut{tell: func() {}, first: firstPause}
	var waited time.Duration
	for n := range 100 {
		pause := s.pause(0)
		if most := 3 * mostPause / 2; pause < min(firstPause<<min(n, 16), mostPause) || pause > most {
			t.Errorf("after %d refusals: %s", n, pause)
		}
		if n < surelyShut {
			waited += pause
		}
		if !s.refused(fmt.Errorf("again: %w", ErrShutOut)) {
			t.Error("a refusal is taken for something else")
		}
	}
	if waited < 15*time.Second {
		t.Errorf("sure after %s", waited)
	}
	if !s.back() || s.back() {
		t.Error("that it is let in again is not told, or twice")
	}
	if pause := s.pause(0); pause > 2*firstPause {
		t.Errorf("after a connection: %s", pause)
	}
}

func TestN5StrangersAreToldOfNowAndThen(t *testing.T) {
	var s strangers
	at := time.Now()
	for i := range 2 * mostStrangers {
		if tells := s.tells(fmt.Sprint(i), at); tells != (i < mostStrangers) {
			t.Fatalf("stranger %d: %t", i, tells)
		}
	}
	if s.tells("0", at.Add(strangerPause-1)) || !s.tells("0", at.Add(strangerPause)) || !s.tells("new", at.Add(strangerPause)) {
		t.Error("a stranger is told of too often, or never again")
	}
	if len(s.told) > mostStrangers {
		t.Errorf("%d are remembered", len(s.told))
	}
}

// TestN5WhoComesBeforeItIsKnownIsNoStranger: the nodes of a control plane that
// starts again come before it has read who they are.
func TestN5WhoComesBeforeItIsKnownIsNoStranger(t *testing.T) {
	var there lines
	server := startServer(t, ServerConfig{Listen: "127.0.0.1:0", Late: true, Log: there.logger()})
	credential, err := NewCredential("node:n1")
	if err != nil {
		t.Fatal(err)
	}
	knocks := func() {
		t.Helper()
		conn, err := Connect(t.Context(), ConnectConfig{URL: "nats://" + server.Addr().String(), Name: "n1", Actor: credential.Actor, Seed: credential.Seed})
		if !errors.Is(err, ErrShutOut) {
			t.Fatalf("got in (%v): %v", conn != nil, err)
		}
	}
	knocks()
	if n := there.count("level=WARN") + there.count("level=ERROR"); n > 0 {
		t.Errorf("told of %d strangers before they are known", n)
	}
	server.Acquainted()
	knocks()
	if n := there.count("a connection is refused"); n != 1 {
		t.Errorf("told of %d strangers", n)
	}
}
