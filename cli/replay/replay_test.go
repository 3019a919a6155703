package replay

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"syscall"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"segno/cli/archive"
	"segno/events"
	"segno/events/condition"
	"segno/events/kinds"
	"segno/projections"
	"segno/proto"
)

var (
	table = kinds.Table()
	birth = time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
)

// randomLog folds a random log of that many transactions: creations, changes, late
// statuses, deletions and re-creations, several in one transaction, with causes.
func randomLog(t testing.TB, seed uint64, n int) *projections.Projection {
	t.Helper()
	rng := rand.New(rand.NewPCG(seed, 9))
	p, err := projections.Open(projections.Config{Table: table})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	var prev proto.Hash
	var group []proto.Entry
	uids := map[string]int{}
	for seq := proto.Seq(1); seq <= proto.Seq(n); seq++ {
		env := &proto.Envelope{
			Seq: seq, Term: 1, At: birth.Add(time.Duration(seq) * time.Second), Actor: "user:ada", Verb: "update", Prev: prev,
			Cause: proto.Cause{Seq: proto.Seq(rng.IntN(int(seq)))}, Correlation: "r",
		}
		for range 1 + rng.IntN(3) {
			env.Events = append(env.Events, something(t, rng, uids))
		}
		encoded := proto.Encode(env)
		entry := proto.Entry{Envelope: env, Encoded: encoded, Hash: proto.HashOf(encoded)}
		prev = entry.Hash
		if group = append(group, entry); len(group) == 500 || seq == proto.Seq(n) {
			if err := p.Commit(group, nil); err != nil {
				t.Fatal(err)
			}
			group = nil
		}
	}
	return p
}

// something happens to one of a few objects.
func something(t testing.TB, rng *rand.Rand, uids map[string]int) proto.Event {
	t.Helper()
	name := fmt.Sprintf("o%d", rng.IntN(5))
	if rng.IntN(6) == 0 {
		uids[name]++ // another one of the same name
	}
	meta := metav1.ObjectMeta{Namespace: "default", Name: name, UID: types.UID(fmt.Sprint(name, uids[name]))}
	replicas := int32(rng.IntN(4))
	obj := &appsv1.Deployment{ObjectMeta: meta, Spec: appsv1.DeploymentSpec{Replicas: &replicas}, Status: appsv1.DeploymentStatus{Replicas: replicas}}
	kind := table.Of(proto.Resource{Group: "apps", Name: "deployments"})
	var of events.Object = obj
	if rng.IntN(4) == 0 {
		kind = table.Of(proto.Resource{Name: "secrets"})
		of = &corev1.Secret{ObjectMeta: meta, Data: map[string][]byte{"p": []byte("hunter2")}}
	}
	ev := proto.Event{Kind: "DeploymentScaled", Key: kind.KeyOf(of), UID: string(meta.UID), Section: proto.SectionSpec, Encoding: proto.EncodingProtobuf}
	sections, err := kind.Encode(of)
	if err != nil {
		t.Fatal(err)
	}
	ev.Body = sections.Spec
	switch roll := rng.IntN(10); {
	case roll < 2:
		ev.Section, ev.Encoding, ev.Body = proto.SectionGone, proto.EncodingNone, nil
	case roll < 5 && kind.HasStatus:
		ev.Section, ev.Body = proto.SectionStatus, sections.Status
	}
	return ev
}

func exported(t testing.TB, p *projections.Projection, from, to proto.Seq, secrets bool) []byte {
	t.Helper()
	var out bytes.Buffer
	err := archive.Write(t.Context(), &out, archive.Config{
		Cluster: "test", Made: birth, Table: table, Secrets: secrets,
		Spans: []archive.Span{{Stream: proto.StreamEvents, Fold: p, From: from, To: to}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func opened(t testing.TB, p *projections.Projection, from, to proto.Seq, secrets bool) *Span {
	t.Helper()
	s, err := Open(t.Context(), bytes.NewReader(exported(t, p, from, to, secrets)), Config{Table: table})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// TestE9ReplayOfAnySpanGivesTheRecordedStates folds random spans of random
// histories, on one processor and on four.
func TestE9ReplayOfAnySpanGivesTheRecordedStates(t *testing.T) {
	const n = 300
	whole := randomLog(t, 1, n)
	rng := rand.New(rand.NewPCG(2, 9))
	for _, processors := range []int{1, 4} {
		t.Run(fmt.Sprintf("%d processors", processors), func(t *testing.T) {
			defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(processors))
			for range 12 {
				from := 1 + proto.Seq(rng.IntN(n))
				to := from + proto.Seq(rng.IntN(n-int(from)+1))
				s := opened(t, whole, from, to, true)
				last, err := whole.StateHashAt(to)
				if err != nil {
					t.Fatal(err)
				}
				want := Verdict{From: from, To: to, Transactions: int(to - from + 1), State: last.String(), Recorded: last.String(), Compared: true}
				if got, err := s.Verdict(to); got != want || err != nil {
					t.Errorf("got %+v, want %+v (%v)", got, want, err)
				}
				middle := from + (to-from)/2
				state, err := whole.StateHashAt(middle)
				if err != nil {
					t.Fatal(err)
				}
				want = Verdict{From: from, To: middle, Transactions: int(middle - from + 1), State: state.String(), Recorded: state.String(), Compared: true}
				if got, err := s.Verdict(middle); got != want || err != nil {
					t.Errorf("up to %s: got %+v, want %+v (%v)", middle, got, want, err)
				}
				for seq := from; seq <= to; seq++ {
					frame, err := s.Frame(t.Context(), seq)
					if err != nil {
						t.Fatal(err)
					}
					if want, err := whole.StateHashAt(seq); err != nil || frame.State.Recorded != want.String() || !frame.State.Equal() {
						t.Errorf("%s to %s: after %s: %+v, want %s (%v)", from, to, seq, frame.State, want, err)
					}
				}
			}
		})
	}
}

// TestE9FramesShowWhatIsAround compares each frame with the log.
func TestE9FramesShowWhatIsAround(t *testing.T) {
	const from, to = 20, 90
	whole := randomLog(t, 3, 100)
	s := opened(t, whole, from, to, true)
	shown := 0
	for seq := proto.Seq(to); seq >= from; seq-- { // backwards: nothing depends on what was shown before
		frame, err := s.Frame(t.Context(), seq)
		if err != nil {
			t.Fatal(err)
		}
		env, err := whole.Envelope(seq)
		if err != nil {
			t.Fatal(err)
		}
		if frame.Seq != seq || len(frame.Events) != len(env.Events) || !frame.Time.Equal(env.At) {
			t.Errorf("frame of %s: %+v", seq, frame.Transaction)
		}
		cause := env.Cause.Seq
		for _, c := range frame.Causes {
			if c.Seq != cause {
				t.Errorf("%s: cause %d, want %d", seq, c.Seq, cause)
			}
			cause = c.Cause
		}
		if frame.Lost != (cause > 0) || frame.Lost && cause >= from {
			t.Errorf("%s: lost %v, at %s", seq, frame.Lost, cause)
		}
		effects, err := whole.Effects(seq)
		if err != nil {
			t.Fatal(err)
		}
		effects = slices.DeleteFunc(effects, func(e proto.Seq) bool { return e > to })
		if len(frame.Effects)+frame.More != len(effects) {
			t.Errorf("%s: %d and %d more effects, want %d", seq, len(frame.Effects), frame.More, len(effects))
		}
		shown += len(frame.Objects)
		for _, o := range frame.Objects {
			if o.Deleted && len(o.Changes) > 0 {
				t.Errorf("%s: %v is gone, and has fields", seq, o.Object)
			}
		}
	}
	if shown < to-from {
		t.Errorf("%d objects changed: the test shows little", shown)
	}
	for _, seq := range []proto.Seq{0, from - 1, to + 1} {
		if _, err := s.Frame(t.Context(), seq); err == nil {
			t.Errorf("%s has a frame", seq)
		}
	}
}

// TestE9Breaks stops where a look at every state says that a condition becomes
// true.
func TestE9Breaks(t *testing.T) {
	const to = 120
	whole := randomLog(t, 4, 140)
	for from := proto.Seq(10); from <= 40; from += 3 {
		s := opened(t, whole, from, to, false)
		for _, text := range []string{
			`object("deployment/o1").spec.replicas == 2`,
			`objects("deployments").size() >= 4`,
			`objects("deployments").exists(d, d.spec.replicas == 0)`,
			`event.object.name == "o3" && after == null`,
			`event.seq > 500`,
			`true`,
		} {
			when, err := condition.Compile(condition.Config{Table: table}, text)
			if err != nil {
				t.Fatal(err)
			}
			checkBreaks(t, s, when, breaksOf(t, whole, when, from, to))
		}
	}
}

// breaksOf are the transactions at which a condition becomes true: where it is
// true from the beginning on, the first one, too.
func breaksOf(t *testing.T, whole *projections.Projection, when *condition.Condition, from, to proto.Seq) (out []proto.Seq) {
	t.Helper()
	was := false
	for seq := from; seq <= to; seq++ {
		is := looked(t, whole, when, seq)
		if is && (!was || when.Depends().Event) {
			out = append(out, seq)
		}
		was = is
	}
	return out
}

func checkBreaks(t *testing.T, s *Span, when *condition.Condition, want []proto.Seq) {
	t.Helper()
	var got []proto.Seq
	for at := proto.Seq(0); ; {
		var err error
		if at, err = s.Next(t.Context(), when, at); err != nil {
			t.Fatal(err)
		}
		if at == 0 {
			break
		}
		got = append(got, at)
	}
	if !slices.Equal(got, want) {
		t.Errorf("%s from %s: got %v, want %v", when, s.First(), got, want)
	}
	for _, before := range []proto.Seq{s.First(), 60, s.Last()} {
		previous, err := s.Previous(t.Context(), when, before)
		earlier := slices.DeleteFunc(slices.Clone(want), func(seq proto.Seq) bool { return seq >= before })
		if err != nil || len(earlier) == 0 && previous != 0 || len(earlier) > 0 && previous != earlier[len(earlier)-1] {
			t.Errorf("%s: before %s: got %s (%v), of %v", when, before, previous, err, earlier)
		}
	}
}

// looked tells whether a condition is true at a transaction, by a look at it.
func looked(t *testing.T, p *projections.Projection, when *condition.Condition, seq proto.Seq) bool {
	t.Helper()
	after, err := p.At(seq)
	if err != nil {
		t.Fatal(err)
	}
	before, err := p.At(seq - 1)
	if err != nil {
		t.Fatal(err)
	}
	env, err := p.Envelope(seq)
	if err != nil {
		t.Fatal(err)
	}
	for i := range env.Events {
		ev := &env.Events[i]
		is, err := when.Holds(t.Context(), after, &condition.Occurrence{
			Envelope: env, Event: ev,
			Before: func() (events.Object, error) { return before.Get(ev.Key) },
			After:  func() (events.Object, error) { return after.Get(ev.Key) },
		})
		if err != nil {
			t.Fatal(err)
		}
		if is {
			return true
		}
	}
	return false
}

// TestE9WithoutSecretsNothingIsCompared opens a span whose secrets were left out.
func TestE9WithoutSecretsNothingIsCompared(t *testing.T) {
	s := opened(t, randomLog(t, 5, 60), 10, 50, false)
	if v, err := s.Verdict(s.Last()); err != nil || v.Compared || v.State != "" || v.Recorded == "" || !s.Redacted() {
		t.Errorf("got %+v", v)
	}
	frame, err := s.Frame(t.Context(), 30)
	if err != nil || frame.State.Folded != "" || frame.State.Recorded == "" {
		t.Errorf("got %+v, %v", frame.State, err)
	}
}

// TestE9WhatIsNoSpan is refused.
func TestE9WhatIsNoSpan(t *testing.T) {
	whole := randomLog(t, 6, 20)
	data := exported(t, whole, 5, 20, true)
	if _, err := Open(t.Context(), bytes.NewReader(data[:len(data)/2]), Config{Table: table}); err == nil {
		t.Error("half a file was taken")
	}
	if _, err := Open(t.Context(), bytes.NewReader(exported(t, whole, 21, 20, true)), Config{Table: table}); err == nil {
		t.Error("a span without a transaction was taken")
	}
	if _, err := Open(t.Context(), bytes.NewReader(data), Config{}); err == nil {
		t.Error("no table was taken")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Open(ctx, bytes.NewReader(exported(t, randomLog(t, 7, 2000), 1, 2000, true)), Config{Table: table}); err == nil {
		t.Error("it went on when it was over")
	}
}

// BenchmarkReplay opens a span: unpacking, checking, folding, comparing every
// state.
func BenchmarkReplay(b *testing.B) {
	const n = 200_000
	data := exported(b, randomLog(b, 8, n), 1, n, true)
	before := cpuTime(b)
	for b.Loop() {
		s, err := Open(b.Context(), bytes.NewReader(data), Config{Table: table})
		if err != nil {
			b.Fatal(err)
		}
		if v, err := s.Verdict(s.Last()); err != nil || v.Differs > 0 {
			b.Fatal(v, err)
		}
		_ = s.Close()
	}
	b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "transactions/s")
	b.ReportMetric(float64((cpuTime(b)-before).Microseconds())/float64(n*b.N), "cpu-µs/transaction")
}

// cpuTime is what the process has used: on a busy machine the better measure.
func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// TestE9AProofSaysWhatASpanSays compares the two, with values and without.
func TestE9AProofSaysWhatASpanSays(t *testing.T) {
	whole := randomLog(t, 7, 90)
	for _, secrets := range []bool{true, false} {
		for _, from := range []proto.Seq{1, 2, 40, 90} {
			proof, err := Prove(t.Context(), bytes.NewReader(exported(t, whole, from, 90, secrets)), nil)
			if err != nil {
				t.Fatal(err)
			}
			want, err := opened(t, whole, from, 90, secrets).Verdict(90)
			if err != nil || proof.Verdict != want || (len(proof.Taken) > 0) == secrets {
				t.Errorf("from %s: %+v, want %+v (%v)", from, proof, want, err)
			}
		}
	}
	if _, err := Prove(t.Context(), bytes.NewReader(exported(t, whole, 91, 90, true)), nil); err == nil {
		t.Error("nothing is proved of nothing")
	}
}

// TestE9ASpanWithoutSecretsIsComparedAlthoughNoneWereAskedFor: nothing was taken out of it.
func TestE9ASpanWithoutSecretsIsComparedAlthoughNoneWereAskedFor(t *testing.T) {
	compared := 0
	for seed := range uint64(40) {
		proof, err := Prove(t.Context(), bytes.NewReader(exported(t, randomLog(t, seed, 2), 1, 2, false)), nil)
		switch {
		case err != nil:
			t.Fatal(err)
		case len(proof.Taken) > 0:
			continue
		case !proof.Compared || proof.State != proof.Recorded || proof.Differs != 0:
			t.Errorf("seed %d: %+v", seed, proof)
		}
		compared++
	}
	if compared == 0 || compared == 40 {
		t.Errorf("%d of 40 spans have no Secret: nothing is told", compared)
	}
}
