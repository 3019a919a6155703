package proxytest

import (
	"context"
	"slices"
	"testing"
	"time"

	"segno/agents/proxy"
)

// Harness is a kind of plane under test.
type Harness struct {
	// New makes a plane in the namespace of this process. More than one may be
	// made one after the other, as by a node that is started again.
	New func(t testing.TB) proxy.Plane
	// Can is what this kind of plane is able to do.
	Can Abilities
}

// Abilities tell kinds of planes apart where not all can do the same. What is
// false is tried in the way in which such a plane does it.
type Abilities struct {
	// KeepsSource: backends see the clients' own addresses where that is asked.
	KeepsSource bool
	// Drops: packets that must be dropped are; without it the connection ends
	// before anything is said.
	Drops bool
	// TellsInside: clients on this node may get other backends than those
	// outside. Without it, all get those of outside.
	TellsInside bool
	// Forgets: affinity ends with its timeout. Without it, it also holds while the
	// kernel remembers the client's connections.
	Forgets bool
	// Outlives: traffic flows on while nobody runs the plane.
	Outlives bool
	// TriesNext: when a backend does not answer, a client gets another one.
	TriesNext bool
	// CarriesSCTP: without it, a Service with such a port says so.
	CarriesSCTP bool
}

// Run tries all that a plane must do, or only what is named.
func Run(t *testing.T, h Harness, only ...string) {
	for _, c := range []struct {
		name string
		test func(*bench)
	}{
		{"TestS3Distribution", distribution},
		{"TestS3IPv6", distribution6},
		{"TestS3FromPodsAndTheNode", fromEverywhere},
		{"TestS3Hairpin", hairpin},
		{"TestS3NodePortFromOutside", fromOutside},
		{"TestS3FarBackendsAnswerThroughTheNode", masquerade},
		{"TestS3UDP", udp},
		{"TestS3SCTP", sctp},
		{"TestS3AFlowLeavesABackendThatIsGone", udpMoves},
		{"TestS3AFlowFindsABackendThatCameLater", udpFinds},
		{"TestS3EstablishedConnectionsOutliveChanges", draining},
		{"TestS3EndpointDeath", death},
		{"TestS3WithoutEndpointsRefusedAtOnce", refused},
		{"TestS3OtherPortsOfAClusterIPAreRefusedAtOnce", strays},
		{"TestS3SyncRemovesWhatIsNotWanted", restart},
		{"TestS3ChangesOfOneServiceLeaveOthersAlone", others},
		{"TestS3RemoveLeavesNothing", removed},
		{"TestS4Affinity", affinity},
		{"TestS4AffinityEnds", affinityEnds},
		{"TestS4AffinityEndsWithItsBackend", affinityMoves},
		{"TestS5LoadBalancerAndExternalIPs", outer},
		{"TestS5SourceRanges", ranges},
		{"TestS5ExternalTrafficPolicyLocal", localOutside},
		{"TestS5InternalTrafficPolicyLocal", localInside},
	} {
		if len(only) > 0 && !slices.Contains(only, c.name) {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			b := &bench{T: t, h: h, machine: newMachine(t)}
			b.plane = b.start()
			defer b.end()
			c.test(b)
		})
	}
}

// bench is one test: a network and a plane that runs in it.
type bench struct {
	*testing.T
	*machine
	h     Harness
	plane proxy.Plane
	stop  func()
}

// start makes a plane and runs it.
func (b *bench) start() proxy.Plane {
	b.Helper()
	plane := b.h.New(b.T)
	ctx, cancel := context.WithCancel(context.WithoutCancel(b.Context()))
	done := make(chan error, 1)
	go func() { done <- plane.Run(ctx) }()
	b.stop = func() {
		cancel()
		select {
		case err := <-done:
			if err != nil && ctx.Err() == nil {
				b.Errorf("run: %v", err)
			}
		case <-time.After(patience):
			b.Error("the plane runs on after its context ended")
		}
	}
	return plane
}

func (b *bench) end() {
	if err := b.plane.Remove(context.WithoutCancel(b.Context())); err != nil {
		b.Errorf("remove: %v", err)
	}
	b.stop()
}

// sync makes these all Services.
func (b *bench) sync(services ...*service) {
	b.Helper()
	failed, err := b.plane.Sync(b.Context(), b.state(b.T, services...))
	if err != nil || len(failed) > 0 {
		b.Fatalf("sync: %v, %v", err, failed)
	}
}

// set changes these Services.
func (b *bench) set(services ...*service) {
	b.Helper()
	var changed []proxy.Rules
	for _, s := range services {
		changed = append(changed, s.rules(b.T))
	}
	failed, err := b.plane.Set(b.Context(), changed)
	if err != nil || len(failed) > 0 {
		b.Fatalf("set: %v, %v", err, failed)
	}
}

// until waits for something that takes its time.
func (b *bench) until(what string, within time.Duration, ok func() bool) {
	b.Helper()
	for end := time.Now().Add(within); !ok(); {
		if time.Now().After(end) {
			b.Fatalf("after %s still not: %s", within, what)
		}
	}
}

// count connects n times and counts who answered.
func (b *bench) count(from *space, to string, n int) map[string]int {
	b.Helper()
	got := map[string]int{}
	for range n {
		by, _ := from.ask(b.T, "", to)
		got[by]++
	}
	return got
}

// spread checks that all of these answered, and nobody else.
func (b *bench) spread(what string, got map[string]int, want ...string) {
	b.Helper()
	total := 0
	for _, n := range got {
		total += n
	}
	for _, name := range want {
		if got[name] < total/len(want)/4 {
			b.Errorf("%s: %v, want about the same of each of %v", what, got, want)
			return
		}
	}
	if len(got) != len(want) {
		b.Errorf("%s: %v, want only %v", what, got, want)
	}
}

// dropped checks that nothing answers, and that it is not refused.
func (b *bench) dropped(what string, from *space, address, to string) {
	b.Helper()
	began := time.Now()
	c, err := from.dial(address, to, brief)
	if err == nil {
		b.Errorf("%s: %s answered", what, c.by)
		_ = c.Close()
	} else if b.h.Can.Drops && time.Since(began) < brief {
		b.Errorf("%s: refused after %s (%v), want no answer", what, time.Since(began), err)
	}
}
