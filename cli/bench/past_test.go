package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"syscall"
	"testing"
	"time"

	"segno/cli/api"
	"segno/cli/api/logs"
	"segno/cli/archive"
	"segno/cli/replay"
	"segno/events"
	"segno/events/kinds"
	"segno/projections"
	"segno/proto"
)

// A past of this size is what the questions about it are measured on; for a try,
// make both smaller here.
const (
	pastEvents    = 1_000_000
	pastObjects   = 100_000
	pastNamespace = 1_000 // objects in each
)

// BenchmarkPast asks the API about a log of 1,000,000 events over 100,000 pods,
// folded to disk: each question at random objects and moments, through the HTTP
// handler to the last byte of the answer.
func BenchmarkPast(b *testing.B) {
	dir := b.TempDir()
	p := newPast(b, dir)
	b.Run("get", func(b *testing.B) {
		p.ask(b, func() string { return p.at() + "/api/v1" + p.pod() })
	})
	b.Run("list", func(b *testing.B) {
		p.ask(b, func() string {
			return fmt.Sprintf("%s/api/v1/namespaces/team-%d/pods", p.at(), p.rng.IntN(pastObjects/pastNamespace))
		})
	})
	b.Run("history", func(b *testing.B) { p.ask(b, func() string { return p.question("history", "") }) })
	b.Run("blame", func(b *testing.B) { p.ask(b, func() string { return p.question("blame", "") }) })
	b.Run("diff", func(b *testing.B) {
		p.ask(b, func() string { return p.question("diff", fmt.Sprintf("&from=%d&to=%d", pastEvents/2, pastEvents)) })
	})
	// Of a namespace: the newest 500 revisions in the log, and what happened in its
	// last 17 minutes.
	const recent = pastEvents - 10_000
	for name, question := range map[string]string{
		"history/newest": "history?namespace=team-%d&limit=500",
		"history/since":  "history?namespace=team-%d&since=" + fmt.Sprint(recent),
		"diff/since":     fmt.Sprintf("diff?stat=true&from=%d&to=%d", recent, pastEvents) + "&namespace=team-%d",
	} {
		b.Run(name, func(b *testing.B) {
			p.ask(b, func() string {
				return "/apis/history.segno/v1/" + fmt.Sprintf(question, p.rng.IntN(pastObjects/pastNamespace))
			})
		})
	}
	b.Run("why", func(b *testing.B) { p.ask(b, func() string { return p.question("why", "") }) })
	for name, when := range map[string]string{
		"object": `object("pods", "team-42", "pod-042042").status.phase == "Failed"`,
		"list":   `objects("pods", "team-42").exists(p, p.metadata.name == "pod-042042" && p.status.phase == "Running")`,
		// Of the whole cluster: by what many versions have in common, by what is
		// another for each object, and by what is another for nearly each version.
		"all":          `objects("pods").filter(p, p.status.phase == "Running").size() >= 90000`,
		"all/names":    `objects("pods").exists(p, p.metadata.name == "pod-042042" && p.status.phase == "Running")`,
		"all/restarts": `objects("pods").exists(p, p.status.containerStatuses.exists(c, c.restartCount > 25))`,
	} {
		b.Run("bisect/"+name, func(b *testing.B) {
			own := process{os.Getpid()}
			before := own.cpu(b)
			p.ask(b, func() string { return "/apis/history.segno/v1/bisect?when=" + url.QueryEscape(when) })
			b.ReportMetric(float64((own.cpu(b)-before).Milliseconds())/float64(b.N), "cpu-ms/op")
		})
	}
	b.Run("replay", p.replay)
	b.Run("storage", p.storage)
}

// past is a log of many events and the API over it.
type past struct {
	fold  *projections.Projection
	store *logs.Logs
	api   *api.API
	dir   string // of the fold
	raw   int64  // bytes of the log's transactions
	full  int64  // bytes of the folder once all was folded, with all that was not tidied up yet
	rng   *rand.Rand

	weighed *weight // once it was weighed
}

func newPast(b *testing.B, dir string) *past {
	b.Helper()
	table := kinds.Table()
	p := &past{dir: dir, rng: rand.New(rand.NewPCG(3, 10))}
	all := map[string]logs.Log{}
	for _, stream := range []string{proto.StreamEvents, proto.StreamNotes, proto.StreamLeases} {
		cfg := projections.Config{Table: table}
		if stream == proto.StreamEvents {
			cfg.Dir = dir
		}
		fold, err := projections.Open(cfg)
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { _ = fold.Close() })
		all[stream] = logs.Log{Fold: fold, Submit: readOnly}
	}
	p.fold = all[proto.StreamEvents].Fold
	began := time.Now()
	w := newPastWriter(table, pastObjects)
	for n := 0; n < pastEvents; {
		group := w.group(512)
		for i := range group {
			p.raw += int64(len(group[i].Encoded))
		}
		if err := p.fold.Commit(group, nil); err != nil {
			b.Fatal(err)
		}
		n += len(group)
	}
	p.full = sizeOf(b, dir)
	b.Logf("made and folded %d events in %s", pastEvents, time.Since(began).Round(time.Second))
	var err error
	if p.store, err = logs.New(logs.Config{Table: table, Logs: all}); err != nil {
		b.Fatal(err)
	}
	p.api, err = api.New(api.Config{Table: table, Store: p.store, History: p.store, Exporter: p.store, Finder: p.store})
	if err != nil {
		b.Fatal(err)
	}
	return p
}

func readOnly(context.Context, events.Command) (events.Outcome, error) {
	return events.Outcome{}, errors.New("the past is not written to")
}

// at is a random moment of the second half: every object exists by then.
func (p *past) at() string {
	return fmt.Sprintf("/at/%d", pastEvents/2+p.rng.IntN(pastEvents/2))
}

func (p *past) pod() string {
	i := p.rng.IntN(pastObjects)
	return fmt.Sprintf("/namespaces/%s/pods/%s", pastSpace(i), pastName(i))
}

func (p *past) question(name, more string) string {
	i := p.rng.IntN(pastObjects)
	return fmt.Sprintf("/apis/history.segno/v1/%s?resource=pods&namespace=%s&name=%s%s", name, pastSpace(i), pastName(i), more)
}

// ask sends one request an iteration; an answer that is not 200 fails.
func (p *past) ask(b *testing.B, path func() string) {
	b.ReportAllocs()
	var slowest time.Duration
	size := 0
	for b.Loop() {
		began := time.Now()
		r := httptest.NewRequestWithContext(b.Context(), http.MethodGet, path(), nil)
		r = r.WithContext(api.WithUser(r.Context(), api.User{Name: "admin", Groups: []string{api.GroupMasters}}))
		w := httptest.NewRecorder()
		p.api.ServeHTTP(w, r)
		if w.Code != http.StatusOK {
			b.Fatalf("%s: %d %s", r.URL, w.Code, w.Body)
		}
		slowest = max(slowest, time.Since(began))
		size = w.Body.Len()
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/1000/float64(b.N), "ms/op")
	b.ReportMetric(float64(slowest.Microseconds())/1000, "slowest-ms")
	b.ReportMetric(float64(size), "answer-bytes")
}

// replay takes the whole log home and compares the state after each transaction:
// what `segno replay --verify --quiet` does, and then, with the past kept for
// looking at, `segno replay --verify`.
func (p *past) replay(b *testing.B) {
	var file bytes.Buffer
	began := time.Now()
	if err := p.store.Export(b.Context(), &file, api.Span{From: 1, To: pastEvents, Secrets: true}); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(pastEvents/time.Since(began).Seconds(), "exported/s")
	b.ReportMetric(float64(file.Len())/float64(p.raw), "file/log")
	b.Run("states", func(b *testing.B) {
		replayed(b, func() (proto.Seq, error) {
			proof, err := replay.Prove(b.Context(), bytes.NewReader(file.Bytes()), nil)
			return proof.Differs, err
		})
	})
	b.Run("past", func(b *testing.B) {
		replayed(b, func() (proto.Seq, error) {
			a, err := archive.Open(b.Context(), bytes.NewReader(file.Bytes()), archive.OpenConfig{Table: kinds.Table()})
			if err != nil {
				return 0, err
			}
			return a.Differs, a.Close()
		})
	})
}

// replayed measures a replay of the whole log, in time and in CPU of all cores.
func replayed(b *testing.B, fold func() (differs proto.Seq, err error)) {
	before := ownCPU(b)
	for b.Loop() {
		if differs, err := fold(); err != nil || differs != 0 {
			b.Fatalf("the state after %s differs (%v)", differs, err)
		}
	}
	b.ReportMetric(float64(b.N)*pastEvents/b.Elapsed().Seconds(), "replayed/s")
	b.ReportMetric(float64((ownCPU(b)-before).Microseconds())/float64(b.N)/pastEvents, "cpu-µs/event")
}

// ownCPU is what the process has used.
func ownCPU(b *testing.B) time.Duration {
	b.Helper()
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		b.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

func pastSpace(i int) string { return fmt.Sprintf("team-%d", i/pastNamespace) }
func pastName(i int) string  { return fmt.Sprintf("pod-%06d", i) }
