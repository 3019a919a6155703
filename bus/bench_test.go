package bus

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"k8s.io/apimachinery/pkg/types"

	"segno/events"
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
