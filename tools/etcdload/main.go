// Etcdload writes to an etcd what segno's benchmark writes to segno: objects
// that must not be there yet, in a closed loop of so many writers. It prints
// one line of JSON. It has a module of its own, because segno needs no etcd.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// writersPerConn is how many writers share a connection: one gRPC connection
// alone would hold back many of them.
const writersPerConn = 16

type result struct {
	Writes  int     `json:"writes"`
	Seconds float64 `json:"seconds"`
	P50     float64 `json:"p50ms"`
	P99     float64 `json:"p99ms"`
}

func main() {
	endpoint := flag.String("endpoint", "127.0.0.1:2379", "of the etcd")
	prefix := flag.String("prefix", "/load/", "of the keys; must be new in each run")
	writers := flag.Int("writers", 64, "that write at the same time")
	duration := flag.Duration("duration", 5*time.Second, "of the run")
	size := flag.Int("size", 500, "bytes of a value")
	flag.Parse()
	found, err := run(*endpoint, *prefix, *writers, *duration, *size)
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(found)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "etcdload:", err)
		os.Exit(1)
	}
}

func run(endpoint, prefix string, writers int, duration time.Duration, size int) (result, error) {
	clients := make([]*clientv3.Client, (writers+writersPerConn-1)/writersPerConn)
	for i := range clients {
		client, err := clientv3.New(clientv3.Config{Endpoints: []string{endpoint}, DialTimeout: 5 * time.Second})
		if err != nil {
			return result{}, fmt.Errorf("connect to %s: %w", endpoint, err)
		}
		defer client.Close()
		if _, err := client.Get(context.Background(), prefix); err != nil { // the connection is up
			return result{}, fmt.Errorf("read from %s: %w", endpoint, err)
		}
		clients[i] = client
	}
	value := strings.Repeat("x", size)
	took := make([][]time.Duration, writers)
	errs := make([]error, writers)
	began := time.Now()
	var all sync.WaitGroup
	for w := range writers {
		all.Go(func() {
			took[w], errs[w] = write(clients[w%len(clients)], fmt.Sprintf("%s%d/", prefix, w), value, began.Add(duration))
		})
	}
	all.Wait()
	elapsed := time.Since(began)
	for _, err := range errs {
		if err != nil {
			return result{}, err
		}
	}
	return summary(slices.Concat(took...), elapsed), nil
}

// write creates keys until the time is over and tells how long each took.
func write(client *clientv3.Client, prefix, value string, until time.Time) ([]time.Duration, error) {
	var took []time.Duration
	for n := 0; time.Now().Before(until); n++ {
		key := fmt.Sprintf("%s%d", prefix, n)
		began := time.Now()
		answer, err := client.Txn(context.Background()).
			If(clientv3.Compare(clientv3.ModRevision(key), "=", 0)).
			Then(clientv3.OpPut(key, value)).
			Else(clientv3.OpGet(key)).Commit()
		if err != nil {
			return nil, fmt.Errorf("create %s: %w", key, err)
		}
		if !answer.Succeeded {
			return nil, fmt.Errorf("create %s: it is there already", key)
		}
		took = append(took, time.Since(began))
	}
	return took, nil
}

func summary(took []time.Duration, elapsed time.Duration) result {
	slices.Sort(took)
	at := func(share float64) float64 {
		if len(took) == 0 {
			return 0
		}
		return float64(took[int(share*float64(len(took)-1))].Microseconds()) / 1000
	}
	return result{Writes: len(took), Seconds: elapsed.Seconds(), P50: at(0.5), P99: at(0.99)}
}
