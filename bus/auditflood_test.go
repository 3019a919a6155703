package bus

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"segno/proto"
)

// barred is a request that was refused.
func barred(source, verb, object string, code int32) *proto.AuditEvent {
	now := proto.AuditTime{Time: time.Now()}
	return &proto.AuditEvent{
		AuditID: source + verb + object, Stage: proto.AuditComplete, Verb: verb, User: proto.AuditUser{Username: "system:anonymous"}, SourceIPs: []string{source},
		RequestURI: "/" + object, ObjectRef: &proto.AuditObject{Resource: "secrets", Name: object},
		ResponseStatus: &proto.AuditStatus{Status: "Failure", Code: code, Message: "no " + object}, RequestReceived: now, StageAt: now,
		Annotations: map[string]string{proto.AuditDecision: "forbid"},
	}
}

// recorded is what the audit has, and how many requests that stands for.
func recorded(t testing.TB, a *Audit, span proto.AuditSpan) (events []*proto.AuditEvent, requests int) {
	t.Helper()
	for event, err := range a.Read(t.Context(), span, anything) {
		if err != nil {
			t.Fatal(err)
		}
		events = append(events, event)
		requests += counted(t, event)
	}
	return events, requests
}

func counted(t testing.TB, event *proto.AuditEvent) int {
	t.Helper()
	text := event.Annotations[proto.AuditCount]
	if text == "" {
		return 1
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 2 {
		t.Errorf("counted %q", text)
	}
	return n
}

func (f *floods) size() (open, clients int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.open), len(f.clients)
}

func TestE13RepeatedRefusalsBecomeOneRecord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := startServer(t, ServerConfig{})
		a, stop := auditing(t, AuditConfig{Server: server})
		began := time.Now()
		for range 500 {
			a.Record(barred("192.0.2.1", "get", "one", 403))
			time.Sleep(10 * time.Millisecond)
		}
		ended := time.Now()
		if events, _ := recorded(t, a, proto.AuditSpan{}); len(events) != 1 || !events[0].StageAt.Equal(began) {
			t.Fatalf("at first there are %d", len(events))
		}
		time.Sleep(4 * time.Second)
		a.Record(asked("meanwhile"))
		time.Sleep(floodSpan)
		events, n := recorded(t, a, proto.AuditSpan{})
		if len(events) != 3 || n != 501 {
			t.Fatalf("%d records say %d, want 3 that say 501", len(events), n)
		}
		e := events[2]
		if first, last := began.Add(10*time.Millisecond), ended.Add(-10*time.Millisecond); !e.RequestReceived.Equal(first) || !e.StageAt.Equal(last) || e.ObjectRef.Name != "one" || e.Verb != "get" {
			t.Errorf("counted from %s to %s, want %s to %s: %+v", e.RequestReceived, e.StageAt, first, last, e)
		}
		if got, _ := recorded(t, a, proto.AuditSpan{Since: ended.Add(-time.Second)}); len(got) != 2 {
			t.Errorf("%d are found by the time of the last of them", len(got))
		}
		for range 2 {
			a.Record(asked("later"))
			time.Sleep(time.Minute) // it is over
		}
		if got := names(t, a, proto.AuditSpan{Since: ended.Add(3 * time.Second)}); !slices.Equal(got, []string{"meanwhile", "later", "later"}) {
			t.Errorf("around the count, which was written later, are found %v", got)
		}
		for _, code := range []int32{403, 409} {
			a.Record(barred("192.0.2.1", "get", "one", code))
			a.Record(barred("192.0.2.1", "list", "one", code))
			a.Record(barred("192.0.2.2", "get", "one", code))
		}
		if events, _ := recorded(t, a, proto.AuditSpan{}); len(events) != 11 {
			t.Errorf("%d records, want 11: what is not the same is recorded at once", len(events))
		}
		for range 7 {
			a.Record(barred("192.0.2.1", "get", "one", 403))
		}
		stop()
		again, _ := auditing(t, AuditConfig{Server: server})
		if events, n := recorded(t, again, proto.AuditSpan{}); len(events) != 12 || n != 516 {
			t.Errorf("after a stop %d records say %d, want 12 that say 516", len(events), n)
		}
		if proof := proved(t, again); proof.Problem != "" {
			t.Error(proof.Problem)
		}
	})
}

func TestE13OnlyRefusalsAreCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, _ := auditing(t, AuditConfig{Server: startServer(t, ServerConfig{})})
		did := barred("192.0.2.1", "deletecollection", "", 409)
		did.Annotations[proto.AuditSequence] = "7"
		for range 5 {
			for _, event := range []*proto.AuditEvent{did, asked("x"), barred("192.0.2.1", "get", "one", 500), barred("192.0.2.1", "get", "one", 499)} {
				a.Record(event)
			}
		}
		if events, _ := recorded(t, a, proto.AuditSpan{}); len(events) != 20 {
			t.Errorf("%d records, want all 20", len(events))
		}
	})
}

func TestE13WhoIsRefusedManyObjectsIsCountedWithoutThem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, _ := auditing(t, AuditConfig{Server: startServer(t, ServerConfig{})})
		const many = 5000
		for i := range many {
			a.Record(barred(fmt.Sprintf("2001:db8::%x", i), "get", fmt.Sprint(i), 403)) // a network of its own
			time.Sleep(time.Millisecond)
		}
		for range 2 {
			a.Record(barred("192.0.2.2", "get", "one", 403))
			a.Record(barred("2001:db8::1", "get", "one", 404))
		}
		time.Sleep(2 * floodSpan)
		events, n := recorded(t, a, proto.AuditSpan{})
		if want := floodObjects + 2 + 4; len(events) != want || n != many+4 {
			t.Fatalf("%d records say %d, want %d that say %d", len(events), n, want, many+4)
		}
		i := slices.IndexFunc(events, func(e *proto.AuditEvent) bool { return e.Annotations[proto.AuditVaried] != "" })
		e := events[max(i, 0)]
		if i < 0 || e.Annotations[proto.AuditVaried] != "object" || e.ObjectRef != nil || e.RequestURI != "" || e.Verb != "get" || counted(t, e) != many-floodObjects-1 {
			t.Errorf("counted as %+v", e)
		}
	})
}

// TestE13AFloodIsBounded has clients refused in every way they can think of: all of
// it is counted, with little room.
func TestE13AFloodIsBounded(t *testing.T) {
	const refusals = 30_000
	for _, test := range []struct {
		clients int
		pause   time.Duration // between two refusals
		most    int           // records
	}{
		{1, 100 * time.Millisecond, 600},            // for almost an hour
		{20_000, time.Millisecond, floodsMost + 50}, // for half a minute
	} {
		synctest.Test(t, func(t *testing.T) {
			server := startServer(t, ServerConfig{})
			a, stop := auditing(t, AuditConfig{Server: server})
			rng := rand.New(rand.NewPCG(13, uint64(test.clients)))
			for range refusals {
				n := rng.IntN(test.clients)
				a.Record(barred(fmt.Sprintf("10.1.%d.%d", n/250, n%250), fmt.Sprint(rng.IntN(100)), fmt.Sprint(rng.IntN(1000)), 401+rng.Int32N(5)))
				time.Sleep(test.pause)
				if open, known := a.floods.size(); open > floodsMost+5 || known > floodsMost+1 {
					t.Fatalf("%d are counted, of %d clients", open, known)
				}
			}
			stop()
			again, _ := auditing(t, AuditConfig{Server: server})
			events, n := recorded(t, again, proto.AuditSpan{})
			if n != refusals || len(events) > test.most {
				t.Errorf("of %d clients %d records say %d, want at most %d that say %d", test.clients, len(events), n, test.most, refusals)
			}
		})
	}
}

// TestE13WhatWasCountedIsForgotten once it is quiet.
func TestE13WhatWasCountedIsForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, _ := auditing(t, AuditConfig{Server: startServer(t, ServerConfig{})})
		for i := range 1000 {
			a.Record(barred("192.0.2.1", "get", fmt.Sprint(i), 403))
		}
		time.Sleep(floodSpan + 3*floodLongest)
		a.Record(barred("192.0.2.1", "get", "again", 403))
		if events, _ := recorded(t, a, proto.AuditSpan{Limit: 1}); events[0].ObjectRef == nil || events[0].ObjectRef.Name != "again" {
			t.Errorf("recorded as %+v", events[0])
		}
		synctest.Wait()
		if open, known := a.floods.size(); open != 1 || known != 1 {
			t.Errorf("%d are counted, of %d clients", open, known)
		}
	})
}
