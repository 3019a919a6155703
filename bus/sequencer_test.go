package bus

import (
	"context"
	"testing"
	"time"

	"segno/proto"
)

// startServer runs a server until the test ends.
func startServer(t testing.TB, cfg ServerConfig) *Server {
	t.Helper()
	if cfg.StoreDir == "" {
		cfg.Memory = true
	}
	server, err := NewServer(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	running(t, func() error { return server.Run(ctx) })
	t.Cleanup(cancel)
	if err := server.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	return server
}

func newTestSequencer(t testing.TB, server *Server, fold *testFold) *Sequencer {
	t.Helper()
	seq, err := NewSequencer(SequencerConfig{
		Server: server, Stream: proto.StreamEvents, Fold: fold, Table: fold.table, Decide: testDecide,
	})
	if err != nil {
		t.Fatal(err)
	}
	return seq
}

// startSequencer runs a sequencer until the test ends.
func startSequencer(t testing.TB, server *Server, fold *testFold) *Sequencer {
	t.Helper()
	seq := newTestSequencer(t, server, fold)
	ctx, cancel := context.WithCancel(context.Background())
	running(t, func() error { return seq.Run(ctx) })
	t.Cleanup(cancel)
	if err := seq.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	return seq
}

func TestE1AppendIsDurableInLogAndFold(t *testing.T) {
	from := time.Now()
	server := startServer(t, ServerConfig{})
	t.Log("server ready in", time.Since(from))
	fold := newTestFold()
	seq := startSequencer(t, server, fold)
	t.Log("sequencer ready in", time.Since(from))
	out, err := seq.Submit(t.Context(), createConfigMap("a"))
	if err != nil {
		t.Fatal(err)
	}
	if out.Seq != 2 || !out.Created || out.Object.GetResourceVersion() != "2" {
		t.Fatalf("outcome %+v", out)
	}
	t.Log("first append in", time.Since(from))
}
