package outbox_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"segno/agents/outbox"
	"segno/proto"
)

// receiver is the other end: it notes what arrived, and fails when told.
type receiver struct {
	mu     sync.Mutex
	got    []string
	err    error
	retry  string
	errors map[string]string // by UID
	during func()            // while a report is under way
}

func (r *receiver) send(_ context.Context, report proto.Report) (proto.Reply, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.during != nil {
		r.during()
	}
	if r.err != nil {
		return proto.Reply{}, r.err
	}
	if r.retry != "" {
		return proto.Reply{Retry: r.retry}, nil
	}
	var reply proto.Reply
	var batch []string
	for _, item := range report.Items {
		batch = append(batch, fmt.Sprintf("%s:%s", item.UID, item.Status))
		reply.Errors = append(reply.Errors, r.errors[item.UID])
	}
	r.got = append(r.got, strings.Join(batch, " "))
	return reply, nil
}

func (r *receiver) expect(t *testing.T, want ...string) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	if got := strings.Join(r.got, " | "); got != strings.Join(want, " | ") {
		t.Errorf("got %q, want %q", got, strings.Join(want, " | "))
	}
	r.got = nil
}

func (r *receiver) fails(err error, retry string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.err, r.retry = err, retry
}

func newBox(t *testing.T, dir string, r *receiver) *outbox.Outbox {
	t.Helper()
	o, err := outbox.New(outbox.Config{Dir: dir, Send: r.send})
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func put(t *testing.T, o *outbox.Outbox, uid, status string) {
	t.Helper()
	if err := o.Put(proto.ReportItem{UID: uid, Status: []byte(status)}); err != nil {
		t.Fatal(err)
	}
}

func step(t *testing.T, o *outbox.Outbox) {
	t.Helper()
	for more := true; more; {
		var err error
		if more, err = o.Step(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

func TestTheNewestOfEachObjectIsDelivered(t *testing.T) {
	r := &receiver{}
	o := newBox(t, t.TempDir(), r)
	put(t, o, "a", "1")
	put(t, o, "b", "1")
	put(t, o, "a", "2")
	step(t, o)
	r.expect(t, "a:2 b:1")
	step(t, o)
	r.expect(t)
	if o.Len() != 0 {
		t.Errorf("%d left", o.Len())
	}
}

func TestAnAcknowledgementCountsForWhatWasSent(t *testing.T) {
	r := &receiver{}
	o := newBox(t, t.TempDir(), r)
	put(t, o, "a", "1")
	r.during = func() {
		r.during = nil
		put(t, o, "a", "2") // while 1 is under way
	}
	step(t, o)
	r.expect(t, "a:1", "a:2")
}

func TestNothingFollowsTheEnd(t *testing.T) {
	r := &receiver{}
	o := newBox(t, t.TempDir(), r)
	if err := o.Put(proto.ReportItem{UID: "a", Status: []byte("end"), Ended: true}); err != nil {
		t.Fatal(err)
	}
	put(t, o, "a", "late")
	step(t, o)
	r.expect(t, "a:end")
}

func TestARefusedItemIsToldAndNotSentAgain(t *testing.T) {
	r := &receiver{errors: map[string]string{"a": "the pod is another node's"}}
	var refused []string
	o, err := outbox.New(outbox.Config{Send: r.send, Refused: func(item proto.ReportItem, why string) { refused = append(refused, item.UID+": "+why) }})
	if err != nil {
		t.Fatal(err)
	}
	put(t, o, "a", "1")
	put(t, o, "b", "1")
	step(t, o)
	r.expect(t, "a:1 b:1")
	if fmt.Sprint(refused) != "[a: the pod is another node's]" || o.Len() != 0 {
		t.Errorf("refused %v, %d left", refused, o.Len())
	}
}

func TestBatchesFitAMessage(t *testing.T) {
	r := &receiver{}
	o := newBox(t, "", r)
	big := strings.Repeat("x", 300<<10)
	for i := range 5 {
		put(t, o, fmt.Sprint("big", i), big)
	}
	for i := range 600 {
		put(t, o, fmt.Sprint("small", i), "s")
	}
	step(t, o)
	for _, batch := range r.got {
		items := strings.Count(batch, ":")
		if items > 256 || (items > 1 && len(batch) > 530<<10) {
			t.Errorf("a batch of %d items and %d bytes", items, len(batch))
		}
	}
	if all := strings.Join(r.got, " "); strings.Count(all, ":") != 605 {
		t.Errorf("%d items delivered", strings.Count(all, ":"))
	}
}

// TestACrashAtAnyMomentLosesNothing plays Put, delivery and crashes in random
// order: after the last delivery the receiver has the newest of every object,
// and never saw an older one after a newer one.
func TestACrashAtAnyMomentLosesNothing(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	dir := filepath.Join(t.TempDir(), "outbox")
	seen := map[string]int{}
	fail := false
	send := func(_ context.Context, report proto.Report) (proto.Reply, error) {
		for _, item := range report.Items {
			var n int
			if _, err := fmt.Sscan(string(item.Status), &n); err != nil || n < seen[item.UID] {
				t.Fatalf("%s: %d after %d (%v)", item.UID, n, seen[item.UID], err)
			}
			seen[item.UID] = n
		}
		if fail { // it arrived, but the answer did not
			return proto.Reply{}, errors.New("lost")
		}
		return proto.Reply{Errors: make([]string, len(report.Items))}, nil
	}
	crash := func() *outbox.Outbox {
		o, err := outbox.New(outbox.Config{Dir: dir, Send: send})
		if err != nil {
			t.Fatal(err)
		}
		return o
	}
	o, newest := crash(), map[string]int{}
	for range 300 {
		switch rnd.IntN(4) {
		case 0, 1:
			uid := fmt.Sprint("pod", rnd.IntN(5))
			newest[uid]++
			put(t, o, uid, fmt.Sprint(newest[uid]))
		case 2:
			fail = rnd.IntN(2) == 0
			_, _ = o.Step(t.Context())
		case 3:
			o = crash() // what the old one knew is gone
		}
	}
	fail = false
	o = crash()
	step(t, o)
	if fmt.Sprint(seen) != fmt.Sprint(newest) || o.Len() != 0 {
		t.Errorf("seen %v, want %v; %d left", seen, newest, o.Len())
	}
}

func TestItTriesUntilItIsAccepted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &receiver{err: errors.New("no connection")}
		o := newBox(t, "", r)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go func() { _ = o.Run(ctx) }()
		put(t, o, "a", "1")
		time.Sleep(time.Minute)
		put(t, o, "a", "2")
		r.fails(nil, "a new leader is being elected")
		time.Sleep(time.Minute)
		r.expect(t)
		r.fails(nil, "")
		time.Sleep(6 * time.Second)
		synctest.Wait()
		r.expect(t, "a:2")
		put(t, o, "a", "3")
		put(t, o, "b", "1")
		time.Sleep(10 * time.Millisecond)
		synctest.Wait()
		r.expect(t, "a:3 b:1") // the first waits a moment for company
	})
}
