package bench

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/uuid"

	"segno/cli/cluster"
	"segno/events"
	"segno/proto"
)

const (
	appendTime   = 3 * time.Second // of one side in one round
	appendRounds = 3
	appendBytes  = 500
)

var configMaps = proto.Resource{Name: "configmaps"}

// figures are what one side did in one round.
type figures struct {
	Writes  int     `json:"writes"`
	Seconds float64 `json:"seconds"`
	P50     float64 `json:"p50ms"`
	P99     float64 `json:"p99ms"`
	cost    float64 // CPU time of the server for one write, in microseconds
}

func (f figures) rate() float64 { return float64(f.Writes) / f.Seconds }

// BenchmarkAppend creates objects of about 500 bytes through the one door for
// writes (decide, log, fold, one sync) and, in turn with it and on the same
// disk, keys of 500 bytes in an etcd by transactions. Both are closed loops: a
// writer sends the next when the last is durable. Shown are the medians.
func BenchmarkAppend(b *testing.B) {
	for _, writers := range []int{1, 16, 64, 256} {
		b.Run(fmt.Sprintf("writers=%d", writers), func(b *testing.B) {
			for range b.N {
				compareAppends(b, writers)
			}
		})
	}
}

func compareAppends(b *testing.B, writers int) {
	c := startCluster(b, cluster.Config{DataDir: b.TempDir(), Runtime: cluster.RuntimeSimulated})
	other := startEtcd(b)
	self := process{pid: os.Getpid()}
	var ours, theirs []figures
	for round := range appendRounds {
		ours = append(ours, costing(b, self, func() figures { return appendAll(b, c, round, writers) }))
		if other != nil {
			theirs = append(theirs, costing(b, other.process, func() figures { return other.load(b, round, writers) }))
		}
	}
	one := median(ours)
	b.ReportMetric(one.rate(), "appends/s")
	b.ReportMetric(one.P50, "p50-ms")
	b.ReportMetric(one.P99, "p99-ms")
	b.ReportMetric(one.cost, "cpu-µs/append")
	if other != nil {
		two := median(theirs)
		b.ReportMetric(two.rate(), "etcd/s")
		b.ReportMetric(two.P50, "etcd-p50-ms")
		b.ReportMetric(two.P99, "etcd-p99-ms")
		b.ReportMetric(two.cost, "etcd-cpu-µs/append")
		b.ReportMetric(one.rate()/two.rate(), "times-etcd")
	}
}

// costing adds what the work cost the process. Our writers live in the process
// that they write to, those of etcd do not.
func costing(b *testing.B, p process, work func() figures) figures {
	b.Helper()
	before := p.cpu(b)
	f := work()
	f.cost = float64((p.cpu(b) - before).Microseconds()) / float64(f.Writes)
	return f
}

func median(all []figures) figures {
	slices.SortFunc(all, func(a, b figures) int { return int(a.rate() - b.rate()) })
	return all[len(all)/2]
}

// startCluster runs a cluster in this process until the benchmark ends.
func startCluster(b *testing.B, cfg cluster.Config) *cluster.Cluster {
	b.Helper()
	ready := make(chan struct{})
	cfg.Listen, cfg.BusListen = "127.0.0.1:0", "127.0.0.1:0"
	cfg.Ready = func(cluster.Info) { close(ready) }
	c, err := cluster.New(cfg)
	if err != nil {
		b.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx) }()
	b.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			b.Errorf("the cluster ends: %v", err)
		}
	})
	select {
	case <-ready:
	case err := <-done:
		done <- nil
		b.Fatalf("the cluster does not start: %v", err)
	}
	return c
}

func appendAll(b *testing.B, c *cluster.Cluster, round, writers int) figures {
	b.Helper()
	took := make([][]time.Duration, writers)
	errs := make([]error, writers)
	began := time.Now()
	var all sync.WaitGroup
	for w := range writers {
		all.Go(func() {
			took[w], errs[w] = appendUntil(c, fmt.Sprintf("load-%d-%d-", round, w), began.Add(appendTime))
		})
	}
	all.Wait()
	elapsed := time.Since(began)
	for _, err := range errs {
		if err != nil {
			b.Fatal(err)
		}
	}
	return summary(slices.Concat(took...), elapsed)
}

func appendUntil(c *cluster.Cluster, prefix string, until time.Time) ([]time.Duration, error) {
	var took []time.Duration
	text := strings.Repeat("x", appendBytes)
	for n := 0; time.Now().Before(until); n++ {
		began := time.Now()
		if err := create(c, fmt.Sprintf("%s%d", prefix, n), text); err != nil {
			return nil, err
		}
		took = append(took, time.Since(began))
	}
	return took, nil
}

func create(c *cluster.Cluster, name, text string) error {
	id := uuid.NewUUID()
	_, err := c.Submit(context.Background(), events.Command{
		Actor: "user:bench", Via: "bench", Correlation: string(id),
		Action: events.Create{
			Key: configMaps.Key("default", name), UID: id,
			Object: &corev1.ConfigMap{
				ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "default"}, Data: map[string]string{"text": text},
			},
		},
	})
	return err
}

func summary(took []time.Duration, elapsed time.Duration) figures {
	slices.Sort(took)
	at := func(share float64) float64 {
		if len(took) == 0 {
			return 0
		}
		return float64(took[int(share*float64(len(took)-1))].Microseconds()) / 1000
	}
	return figures{Writes: len(took), Seconds: elapsed.Seconds(), P50: at(0.5), P99: at(0.99)}
}

// foreign is the path of a program that we compare with, "" when it is not there.
func foreign(name string) string {
	dir := os.Getenv("SEGNO_CLIENTS")
	if dir == "" {
		return ""
	}
	path := filepath.Join(dir, name)
	if _, err := os.Stat(path); err != nil {
		return ""
	}
	return path
}
