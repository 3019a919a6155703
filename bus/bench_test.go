package bus

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/sync/errgroup"
	"k8s.io/apimachinery/pkg/types"

	"segno/events"
	"segno/proto"
)

// BenchmarkAppend appends objects of 500 bytes, durable in the log and in a
// fold that writes and syncs a file, in a closed loop of so many writers.
func BenchmarkAppend(b *testing.B) {
	for _, writers := range []int{1, 16, 64, 256} {
		b.Run(fmt.Sprintf("writers=%d", writers), func(b *testing.B) { benchmarkAppend(b, writers) })
	}
}

func benchmarkAppend(b *testing.B, writers int) {
	dir := b.TempDir()
	file, err := os.Create(filepath.Join(dir, "fold"))
	if err != nil {
		b.Fatal(err)
	}
	defer file.Close()
	fold := newTestFold()
	fold.file = file
	seq := startSequencer(b, startServer(b, ServerConfig{StoreDir: filepath.Join(dir, "log")}), fold)
	object := newConfigMap("")
	object.Data = map[string]string{"text": strings.Repeat("x", 400)}
	var next atomic.Int64
	done := make(chan error, writers)
	b.ResetTimer()
	for range writers {
		go func() {
			for {
				n := next.Add(1)
				if n > int64(b.N) {
					done <- nil
					return
				}
				own := *object
				own.Name = fmt.Sprintf("cm-%d", n)
				_, err := seq.Submit(context.Background(), events.Command{Actor: "user:bench", Correlation: "bench", Action: events.Create{
					Key: configMaps.Key("default", own.Name), Object: &own, UID: types.UID(own.Name),
				}})
				if err != nil {
					done <- err
					return
				}
			}
		}()
	}
	for range writers {
		if err := <-done; err != nil {
			b.Error(err)
		}
	}
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "appends/s")
	b.ReportMetric(float64(b.N)/float64(max(1, len(fold.groups))), "per-sync")
}

// BenchmarkStart repairs a log of 100,000 transactions of 500 bytes: compared
// with a fold that has them all, and folded into one that has none.
func BenchmarkStart(b *testing.B) {
	const transactions = 100_000
	dir := b.TempDir()
	fold := newTestFold()
	serverCtx, stopServer := context.WithCancel(context.Background())
	server, err := NewServer(ServerConfig{StoreDir: dir})
	if err != nil {
		b.Fatal(err)
	}
	running(b, func() error { return server.Run(serverCtx) })
	b.Cleanup(stopServer)
	ctx, stop := context.WithCancel(context.Background())
	seq := newTestSequencer(b, server, fold)
	done := make(chan error, 1)
	go func() { done <- seq.Run(ctx) }()
	var group errgroup.Group
	group.SetLimit(256)
	object := newConfigMap("")
	object.Data = map[string]string{"text": strings.Repeat("x", 400)}
	for i := range transactions {
		group.Go(func() error {
			own := *object
			own.Name = fmt.Sprintf("cm-%d", i)
			_, err := seq.Submit(ctx, events.Command{Actor: "user:bench", Correlation: "bench", Action: events.Create{
				Key: configMaps.Key("default", own.Name), Object: &own, UID: types.UID(own.Name),
			}})
			return err
		})
	}
	if err := group.Wait(); err != nil {
		b.Fatal(err)
	}
	stop()
	if err := <-done; err != nil {
		b.Fatal(err)
	}
	for _, start := range []struct {
		name string
		fold func() *testFold
	}{{"compare", func() *testFold { return fold }}, {"refold", newTestFold}} {
		b.Run(start.name, func(b *testing.B) {
			conn, err := server.Connect("bench")
			if err != nil {
				b.Fatal(err)
			}
			defer conn.Close()
			log := &journal{name: proto.StreamEvents, conn: conn}
			for b.Loop() {
				r := &repairer{journal: log, server: server, fold: start.fold(), effort: usualEffort, slog: orDefault(nil)}
				if _, _, err := r.repair(context.Background()); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(transactions)*float64(b.N)/b.Elapsed().Seconds(), "transactions/s")
		})
	}
}
