package bus

import (
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"segno/proto"
)

// freeAddress is one that nobody listens at.
func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

// TestN1ANodeStartsWithoutItsControlPlane: what it listens at and subscribes to is
// there once the bus is.
func TestN1ANodeStartsWithoutItsControlPlane(t *testing.T) {
	address := freeAddress(t)
	id := Identity{Role: RoleNode, Name: "n1"}
	credential, err := NewCredential(id.Actor())
	if err != nil {
		t.Fatal(err)
	}
	id.Public = credential.Public
	cfg := ConnectConfig{URL: "nats://" + address, Actor: credential.Actor, Seed: credential.Seed, firstPause: time.Millisecond}
	if _, err := Connect(t.Context(), cfg); err == nil {
		t.Error("who is not patient was answered")
	}
	cfg.Patient = true
	conn, err := Connect(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	listener, err := Listen(conn, proto.NodeDial("n1"))
	if err != nil || conn.Connected() {
		t.Fatalf("listen without a server: %v", err)
	}
	go func() {
		if called, err := listener.Accept(); err == nil {
			_, _ = io.WriteString(called, "here")
			_ = called.Close()
		}
	}()

	server := startServer(t, ServerConfig{Listen: address})
	if err := server.Identities().Add(id); err != nil {
		t.Fatal(err)
	}
	for conn.flush() != nil {
		t.Log("not yet")
	}
	control, err := server.Connect("control")
	if err != nil {
		t.Fatal(err)
	}
	defer control.Close()
	call, err := Dial(t.Context(), control, proto.NodeDial("n1"))
	if err != nil {
		t.Fatal(err)
	}
	if said, err := io.ReadAll(call); string(said) != "here" {
		t.Errorf("the node says %q, %v", said, err)
	}
}

// TestN5APatientNodeThatIsNotLetInLearnsIt, be the server there at first or not.
func TestN5APatientNodeThatIsNotLetInLearnsIt(t *testing.T) {
	address := freeAddress(t)
	credential, err := NewCredential("node:n1")
	if err != nil {
		t.Fatal(err)
	}
	told := make(chan struct{}, 1)
	cfg := ConnectConfig{
		URL: "nats://" + address, Actor: credential.Actor, Seed: credential.Seed, Patient: true, firstPause: time.Millisecond,
		ShutOut: func() { told <- struct{}{} },
	}
	conn, err := Connect(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	startServer(t, ServerConfig{Listen: address})
	<-told
	if _, err := Connect(t.Context(), cfg); !errors.Is(err, ErrShutOut) {
		t.Errorf("at the first attempt: %v", err)
	}
}
