package bench

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"strconv"
	"syscall"
	"testing"

	"segno/cli/cluster"
)

// Environment of a process that is the cluster under measurement.
const (
	envData    = "SEGNO_BENCH_DATA"    // its data directory
	envNodes   = "SEGNO_BENCH_NODES"   // how many simulated nodes
	envProfile = "SEGNO_BENCH_PROFILE" // folder for profiles; also read by the benchmarks
)

// TestMain lets the test's own program be the cluster that it measures.
func TestMain(m *testing.M) {
	if dir := os.Getenv(envData); dir != "" {
		if err := serve(dir); err != nil {
			fmt.Fprintln(os.Stderr, "cluster:", err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// serve runs a cluster until SIGTERM, and says "ready" when it answers.
func serve(dir string) error {
	nodes, err := strconv.Atoi(os.Getenv(envNodes))
	if err != nil {
		return fmt.Errorf("read %s: %w", envNodes, err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	var c *cluster.Cluster
	c, err = cluster.New(cluster.Config{
		DataDir: dir, Runtime: cluster.RuntimeSimulated, Nodes: nodes, Listen: "127.0.0.1:0", BusListen: "127.0.0.1:0",
		Ready: func(info cluster.Info) {
			entry, err := c.Entry()
			if err == nil {
				err = entry.Write(info.Kubeconfig)
			}
			fmt.Println("ready", err)
		},
	})
	if err != nil {
		return err
	}
	if folder := os.Getenv(envProfile); folder != "" {
		go profile(folder)
	}
	return c.Run(ctx)
}

// profile starts a CPU profile at every odd SIGUSR1, and at every even one
// ends it and writes the heap beside it.
func profile(folder string) {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGUSR1)
	for n := 1; ; n++ {
		<-signals
		cpu, err := os.Create(filepath.Join(folder, fmt.Sprintf("cluster-%d-%d.cpu", os.Getpid(), n)))
		if err != nil {
			panic(err)
		}
		if err := pprof.StartCPUProfile(cpu); err != nil {
			panic(err)
		}
		<-signals
		pprof.StopCPUProfile()
		_ = cpu.Close() // written in full, or the profile does not open
		heap, err := os.Create(filepath.Join(folder, fmt.Sprintf("cluster-%d-%d.heap", os.Getpid(), n)))
		if err != nil {
			panic(err)
		}
		runtime.GC()
		if err := pprof.WriteHeapProfile(heap); err != nil {
			panic(err)
		}
		_ = heap.Close()
	}
}
