package projections

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"syscall"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"segno/proto"
)

// benchLog encodes a log of n transactions: ConfigMaps of 500 bytes and
// statuses of pods, half and half, over the given number of objects.
func benchLog(n, objects int) [][]byte {
	rng := rand.New(rand.NewPCG(1, 2))
	text := func(size int) string {
		b := make([]byte, size)
		for i := range b {
			b[i] = "abcdefghijklmnopqrstuvwxyz012345"[rng.IntN(32)]
		}
		return string(b)
	}
	var s script
	alive := make([]bool, objects)
	out := make([][]byte, 0, n)
	for len(out) < n {
		i := rng.IntN(objects)
		ns, name := fmt.Sprintf("team-%d", i%100), fmt.Sprintf("object-%06d", i)
		uid := fmt.Sprintf("%08d-5f5f-4c4c-8a8a-0123456789ab", i)
		var e proto.Entry
		switch {
		case i%2 == 0:
			e = s.add(specified(configMap(ns, name, uid, text(420))))
		case !alive[i]:
			e = s.add(specified(benchPod(ns, name, uid)), observed(benchPod(ns, name, uid)))
			alive[i] = true
		default:
			pod := benchPod(ns, name, uid)
			pod.Status.Message = text(200)
			e = s.because(s.seq/2+1, observed(pod))
		}
		out = append(out, e.Encoded)
		s.log = nil
	}
	return out
}

func benchPod(ns, name, uid string) *corev1.Pod {
	p := pod(ns, name, uid, fmt.Sprintf("node-%d", len(name)), corev1.PodRunning, "app", "web", "pod-template-hash", uid[:8])
	p.Status.PodIP = "10.244.1.17"
	p.Status.Conditions = []corev1.PodCondition{
		{Type: corev1.PodReady, Status: corev1.ConditionTrue}, {Type: corev1.PodScheduled, Status: corev1.ConditionTrue},
	}
	p.Status.ContainerStatuses = []corev1.ContainerStatus{{
		Name: "c", Image: "registry.example/web:1", ImageID: "sha256:" + strings.Repeat("0123456789abcdef", 4),
		ContainerID: "docker://" + strings.Repeat("0123456789abcdef", 4), Ready: true,
	}}
	return p
}

// BenchmarkFold replays a log of encoded envelopes in groups of 256: decoding,
// hashing, folding, writing.
func BenchmarkFold(b *testing.B) {
	for _, objects := range []int{5_000, 100_000} {
		for _, sync := range []bool{false, true} {
			b.Run(fmt.Sprintf("objects=%d/sync=%t", objects, sync), func(b *testing.B) {
				encoded := benchLog(b.N, objects)
				size := 0
				for _, data := range encoded {
					size += len(data)
				}
				p := open(b, Config{Dir: b.TempDir(), Sync: sync})
				b.ResetTimer()
				before := cpuTime()
				for len(encoded) > 0 {
					group := encoded[:min(256, len(encoded))]
					encoded = encoded[len(group):]
					entries := make([]proto.Entry, len(group))
					for i, data := range group {
						entries[i] = entryOf(data)
					}
					commit(b, p, entries...)
				}
				b.StopTimer()
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
				b.ReportMetric(float64((cpuTime()-before).Microseconds())/float64(b.N), "cpu-µs/event")
				b.ReportMetric(float64(size)/float64(b.N), "log-bytes/event")
			})
		}
	}
}

// cpuTime is what the process has used: on a busy machine the better measure.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
