package bus

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sync/errgroup"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"segno/events"
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

// gated lets a test hold Commit, so that transactions stay pending.
func gated(fold *testFold) chan struct{} {
	fold.gate = make(chan struct{}, 100)
	fold.gate <- struct{}{} // the election
	return fold.gate
}

func TestE2SecondOfTwoPendingCreatesIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fold := newTestFold()
		gate := gated(fold)
		seq := startSequencer(t, startServer(t, ServerConfig{}), fold)
		first, second := submitting(seq, createConfigMap("a")), submitting(seq, createConfigMap("a"))
		synctest.Wait()
		if len(first)+len(second) > 0 {
			t.Fatal("an answer came before anything was durable")
		}
		close(gate)
		a, b := <-first, <-second
		if b.err == nil {
			a, b = b, a
		}
		if a.err != nil || !apierrors.IsAlreadyExists(b.err) {
			t.Fatalf("answers: %v and %v", a.err, b.err)
		}
	})
}

func TestE2NoOpWaitsForWhatItRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fold := newTestFold()
		gate := gated(fold)
		seq := startSequencer(t, startServer(t, ServerConfig{}), fold)
		created := submitting(seq, createConfigMap("a"))
		synctest.Wait()
		same := events.Command{Actor: "user:test", Action: events.Update{Key: configMaps.Key("default", "a"), Object: newConfigMap("a")}}
		noop := submitting(seq, same)
		synctest.Wait()
		if len(noop) > 0 {
			t.Fatal("the no-op told of a write that is not durable")
		}
		close(gate)
		if a := <-created; a.err != nil {
			t.Fatal(a.err)
		}
		a := <-noop
		if a.err != nil || a.outcome.Seq != 0 || a.outcome.Object.GetResourceVersion() != "2" {
			t.Fatalf("no-op answered %+v, %v", a.outcome, a.err)
		}
	})
}

func TestE2DryRunAppendsNothing(t *testing.T) {
	fold := newTestFold()
	seq := startSequencer(t, startServer(t, ServerConfig{}), fold)
	cmd := createConfigMap("a")
	cmd.DryRun = true
	out, err := seq.Submit(t.Context(), cmd)
	if err != nil || out.Seq != 0 || !out.Created || out.Object.GetName() != "a" {
		t.Fatalf("dry run answered %+v, %v", out, err)
	}
	if at := fold.Position().Seq; at != 1 {
		t.Fatalf("the log is at %s after a dry run", at)
	}
}

func TestE1EnvelopeTellsWhoAndWhy(t *testing.T) {
	fold := newTestFold()
	seq := startSequencer(t, startServer(t, ServerConfig{}), fold)
	root := createConfigMap("a")
	root.Correlation, root.Via = "request-1", "kubectl apply"
	out, err := seq.Submit(t.Context(), root)
	if err != nil {
		t.Fatal(err)
	}
	follows := createConfigMap("b")
	follows.Actor, follows.Cause.Seq = "system:test", out.Seq
	if _, err := seq.Submit(t.Context(), follows); err != nil {
		t.Fatal(err)
	}
	a, b := envelope(t, fold, 2), envelope(t, fold, 3)
	if a.Actor != "user:test" || a.Verb != "create" || a.Cause.Request != "request-1" || a.Correlation != "request-1" || a.Via != "kubectl apply" || a.Term != 1 {
		t.Errorf("root: %+v", a)
	}
	if b.Actor != "system:test" || b.Cause.Seq != 2 || b.Cause.Request != "" || b.Correlation != "request-1" {
		t.Errorf("consequence: %+v", b)
	}
	if encoded, _ := fold.Encoded(2); b.Prev != proto.HashOf(encoded) {
		t.Error("the hash chain is broken")
	}
	if !b.At.After(a.At) {
		t.Errorf("time goes from %s to %s", a.At, b.At)
	}
}

// A node may claim any cause: one that is still to come is none.
func TestE8CauseLiesInThePast(t *testing.T) {
	fold := newTestFold()
	seq := startSequencer(t, startServer(t, ServerConfig{}), fold)
	for i, cause := range []proto.Seq{1, 2, 3, 4, 1 << 63, 1<<64 - 1} {
		cmd := createConfigMap(fmt.Sprint("c", i))
		cmd.Cause.Seq = cause
		out, err := seq.Submit(t.Context(), cmd)
		if err != nil {
			t.Fatal(err)
		}
		want := cause
		if cause >= out.Seq {
			want = 0
		}
		if got := envelope(t, fold, out.Seq).Cause.Seq; got != want {
			t.Errorf("transaction %s claims the cause %d: kept %d", out.Seq, cause, got)
		}
	}
}

func envelope(t *testing.T, fold *testFold, seq proto.Seq) *proto.Envelope {
	t.Helper()
	encoded, err := fold.Encoded(seq)
	if err != nil {
		t.Fatal(err)
	}
	env, err := proto.Decode(encoded)
	if err != nil {
		t.Fatal(err)
	}
	return env
}

func TestE2TooLargeIsRefused(t *testing.T) {
	fold := newTestFold()
	seq := startSequencer(t, startServer(t, ServerConfig{}), fold)
	object := newConfigMap("a")
	object.Data = map[string]string{"text": strings.Repeat("x", proto.MaxEnvelope)}
	_, err := seq.Submit(t.Context(), events.Command{Action: events.Create{Key: configMaps.Key("default", "a"), Object: object, UID: "u"}})
	if !apierrors.IsRequestEntityTooLargeError(err) {
		t.Fatalf("err = %v", err)
	}
	if _, err := seq.Submit(t.Context(), createConfigMap("b")); err != nil {
		t.Fatalf("after the refusal: %v", err)
	}
}

func TestE2ForeignAppendFencesTheSequencer(t *testing.T) {
	server, fold := startServer(t, ServerConfig{}), newTestFold()
	seq := newTestSequencer(t, server, fold)
	done := make(chan error, 1)
	go func() { done <- seq.Run(t.Context()) }()
	if err := seq.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	other, err := server.Connect("another leader")
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if _, err := other.nc.RequestWithContext(t.Context(), proto.LogSubject(proto.StreamEvents, proto.ObjectKey{}), []byte("x")); err != nil {
		t.Fatal(err)
	}
	if _, err := seq.Submit(t.Context(), createConfigMap("a")); !apierrors.IsServiceUnavailable(err) {
		t.Fatalf("err = %v", err)
	}
	if err := <-done; !errors.Is(err, errRefused) {
		t.Fatalf("Run answered %v", err)
	}
	if _, err := seq.Submit(t.Context(), createConfigMap("b")); !apierrors.IsServiceUnavailable(err) {
		t.Fatalf("after the end: %v", err)
	}
	if at := fold.Position().Seq; at != 1 {
		t.Fatalf("the fold is at %s", at)
	}
}

func TestE2FailedFoldStopsTheSequencer(t *testing.T) {
	fold := newTestFold()
	seq := newTestSequencer(t, startServer(t, ServerConfig{}), fold)
	done := make(chan error, 1)
	go func() { done <- seq.Run(t.Context()) }()
	if err := seq.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	broken := errors.New("disk full")
	fold.mu.Lock()
	fold.fail = broken
	fold.mu.Unlock()
	if _, err := seq.Submit(t.Context(), createConfigMap("a")); !apierrors.IsServiceUnavailable(err) {
		t.Fatalf("err = %v", err)
	}
	if err := <-done; !errors.Is(err, broken) {
		t.Fatalf("Run answered %v", err)
	}
}

func TestE2CallerThatLeavesTakesNothingBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fold := newTestFold()
		gate := gated(fold)
		seq := startSequencer(t, startServer(t, ServerConfig{}), fold)
		ctx, leave := context.WithCancel(t.Context())
		left := make(chan error, 1)
		go func() {
			_, err := seq.Submit(ctx, createConfigMap("a"))
			left <- err
		}()
		synctest.Wait()
		leave()
		if err := <-left; !errors.Is(err, context.Canceled) {
			t.Fatalf("err = %v", err)
		}
		close(gate)
		synctest.Wait()
		if fold.records[configMaps.Key("default", "a")] == nil {
			t.Fatal("the transaction was published and is lost")
		}
	})
}

func TestE2StopAnswersWhatWasDecided(t *testing.T) {
	fold := newTestFold()
	server := startServer(t, ServerConfig{})
	seq := newTestSequencer(t, server, fold)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- seq.Run(ctx) }()
	if err := seq.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	var answers []chan answer
	for i := range 500 {
		answers = append(answers, submitting(seq, createConfigMap(fmt.Sprintf("cm-%d", i))))
	}
	stop()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	for i, c := range answers {
		a := <-c
		has := fold.records[configMaps.Key("default", fmt.Sprintf("cm-%d", i))] != nil
		if has != (a.err == nil) {
			t.Errorf("cm-%d: in the fold %t, answered %v", i, has, a.err)
		}
	}
}

func submitting(seq *Sequencer, cmd events.Command) chan answer {
	done := make(chan answer, 1)
	go func() {
		out, err := seq.Submit(context.Background(), cmd)
		done <- answer{out, err}
	}()
	return done
}

func TestE2AnswersComeInOrder(t *testing.T) {
	fold := newTestFold()
	seq := startSequencer(t, startServer(t, ServerConfig{StoreDir: t.TempDir()}), fold)
	const writers, each = 32, 50
	var group errgroup.Group
	for w := range writers {
		group.Go(func() error {
			var last proto.Seq
			for i := range each {
				out, err := seq.Submit(t.Context(), createConfigMap(fmt.Sprintf("cm-%d-%d", w, i)))
				if err != nil {
					return err
				}
				if out.Seq <= last || seq.Durable() < out.Seq {
					return fmt.Errorf("answered %s after %s, durable %s", out.Seq, last, seq.Durable())
				}
				last = out.Seq
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	if at := fold.Position().Seq; at != writers*each+1 {
		t.Fatalf("the fold is at %s", at)
	}
}

func TestE1NotesAndLeasesAreLogsOfTheirOwn(t *testing.T) {
	server := startServer(t, ServerConfig{StoreDir: t.TempDir()})
	for _, stream := range []string{proto.StreamNotes, proto.StreamLeases} {
		fold := newTestFold()
		seq, err := NewSequencer(SequencerConfig{Server: server, Stream: stream, Fold: fold, Table: fold.table, Decide: testDecide})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		running(t, func() error { return seq.Run(ctx) })
		t.Cleanup(cancel)
		out, err := seq.Submit(t.Context(), createConfigMap("a"))
		if err != nil || out.Seq != 1 {
			t.Fatalf("%s: %+v, %v", stream, out, err)
		}
	}
}
