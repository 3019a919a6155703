package projections

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"

	"segno/events"
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

// BenchmarkFold replays a log of encoded envelopes in groups: decoding, hashing,
// folding, writing.
func BenchmarkFold(b *testing.B) {
	for _, objects := range []int{5_000, 100_000} {
		for _, c := range []struct {
			sync  bool
			group int
		}{{false, 256}, {true, 256}, {true, 2048}} {
			b.Run(fmt.Sprintf("objects=%d/sync=%t/group=%d", objects, c.sync, c.group), func(b *testing.B) {
				benchFold(b, objects, c.sync, c.group)
			})
		}
	}
}

func benchFold(b *testing.B, objects int, sync bool, group int) {
	encoded := benchLog(b.N, objects)
	size := 0
	for _, data := range encoded {
		size += len(data)
	}
	p := open(b, Config{Dir: b.TempDir(), Sync: sync})
	b.ResetTimer()
	before := cpuTime()
	groups := make(chan []proto.Entry, 1) // the next group is decoded while one is folded
	go func() {
		defer close(groups)
		for some := range slices.Chunk(encoded, group) {
			entries := make([]proto.Entry, len(some))
			for i, data := range some {
				entries[i] = entryOf(data)
			}
			groups <- entries
		}
	}()
	for entries := range groups {
		commit(b, p, entries...)
	}
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
	b.ReportMetric(float64((cpuTime()-before).Microseconds())/float64(b.N), "cpu-µs/event")
	b.ReportMetric(float64(size)/float64(b.N), "log-bytes/event")
}

// benchReads is a projection of 100,000 ConfigMaps in 100 namespaces, each changed
// three times, and the sequence after the first change.
func benchReads(b *testing.B) (p *Projection, then proto.Seq, key func(i int) proto.ObjectKey) {
	const objects = 100_000
	b.Helper()
	p = open(b, Config{Dir: b.TempDir()})
	name := func(i int) (string, string) { return fmt.Sprintf("team-%d", i%100), fmt.Sprintf("object-%06d", i) }
	var s script
	text := strings.Repeat("0123456789abcdef", 26)
	for round := range 3 {
		for i := range objects {
			i = i * 7919 % objects
			ns, name := name(i)
			s.add(specified(configMap(ns, name, fmt.Sprint(i), fmt.Sprint(round, text), "app", fmt.Sprint("app-", i/100%10))))
			if len(s.log) == 1000 {
				commit(b, p, s.log...)
				s.log = nil
			}
		}
	}
	if err := p.db.Flush(); err != nil {
		b.Fatal(err)
	}
	b.ResetTimer()
	return p, objects, func(i int) proto.ObjectKey {
		ns, name := name(i % objects)
		return configMaps.Key(ns, name)
	}
}

// BenchmarkRead reads one of 100,000 objects: now and as of the past, at random
// and the same one again.
func BenchmarkRead(b *testing.B) {
	p, then, key := benchReads(b)
	for name, seq := range map[string]proto.Seq{"now": p.Position().Seq, "then": then} {
		b.Run("random/"+name, func(b *testing.B) {
			rng := rand.New(rand.NewPCG(1, 2))
			for b.Loop() {
				benchGet(b, p, seq, key(rng.IntN(100_000)))
			}
		})
		b.Run("same/"+name, func(b *testing.B) {
			for b.Loop() {
				benchGet(b, p, seq, key(4711))
			}
		})
	}
}

func benchGet(b *testing.B, p *Projection, seq proto.Seq, key proto.ObjectKey) {
	v, err := p.At(seq)
	if err != nil {
		b.Fatal(err)
	}
	if obj, err := v.Get(key); err != nil || obj == nil {
		b.Fatal(obj, err)
	}
}

// BenchmarkList lists a namespace of 1000 among 100,000 objects: now and as of
// the past, with nothing decoded before and again.
func BenchmarkList(b *testing.B) {
	p, then, _ := benchReads(b)
	queries := map[string]events.Query{
		"namespace": {Resource: configMaps, Namespace: "team-42"},
		"label":     {Resource: configMaps, Namespace: "team-42", Labels: labels.SelectorFromSet(labels.Set{"app": "app-3"})},
	}
	for moment, seq := range map[string]proto.Seq{"now": p.Position().Seq, "then": then} {
		for name, query := range queries {
			for _, cold := range []bool{true, false} {
				b.Run(fmt.Sprintf("%s/%s/cold=%t", name, moment, cold), func(b *testing.B) {
					n := 0
					for b.Loop() {
						if cold {
							p.objects = newGenerations[versionID](p.cfg.ObjectBytes, sizeOf)
						}
						v, err := p.At(seq)
						if err != nil {
							b.Fatal(err)
						}
						page, err := v.List(query)
						if err != nil {
							b.Fatal(err)
						}
						n = len(page.Items)
					}
					b.ReportMetric(float64(n), "objects")
				})
			}
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
