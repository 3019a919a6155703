package bus

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"segno/events"
	"segno/events/kinds"
	"segno/proto"
)

// TestN6NodesAreAnsweredOnceTheyAreHeard: whoever waits for Ready before a node is
// run has none that finds nobody.
func TestN6NodesAreAnsweredOnceTheyAreHeard(t *testing.T) {
	for range 20 {
		synctest.Test(t, func(t *testing.T) {
			w := &world{t: t, parties: parties{server: startServer(t, ServerConfig{})}, fold: newTestFoldOf(kinds.Table())}
			link := NewLink(w.enter(t, RoleNode, "n1"), "n1")
			control, err := w.server.Connect("control")
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(control.Close)
			relay, err := NewRelay(RelayConfig{Conn: control, Events: w.fold, Table: w.fold.table})
			if err != nil {
				t.Fatal(err)
			}
			intake, err := NewIntake(IntakeConfig{Conn: control, Cluster: w, Relay: relay, Identities: w.server.Identities()})
			if err != nil {
				t.Fatal(err)
			}
			w.while(relay.Run)
			w.while(intake.Run)
			if err := errors.Join(relay.Ready(t.Context()), intake.Ready(t.Context())); err != nil {
				t.Fatal(err)
			}
			if _, err := link.Sync(t.Context()); err != nil {
				t.Error(err)
			}
			for _, what := range []string{"report", "register", "beat"} {
				var reply proto.Reply
				if err := link.ask(t.Context(), strings.Replace(proto.AnyNode(what), "*", "n1", 1), nil, &reply); errors.Is(err, ErrNobody) {
					t.Error(err)
				}
			}
		})
	}
}

func hear(t *testing.T, link *Link) <-chan proto.Want {
	t.Helper()
	heard, err := link.Wants(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return heard
}

func TestN6RelayTellsANodeOfItsPods(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, startServer(t, ServerConfig{}))
		link, other := w.joinedNode("n1"), w.joinedNode("n2")
		synctest.Wait() // the relay has come to the registrations
		heard, others := hear(t, link), hear(t, other)
		from := w.relay.Counter("n1")

		pod := w.boundPod("web", "n1") // a transaction with two events: spec and status
		synctest.Wait()
		if len(heard) != 1 {
			t.Fatalf("a transaction was told in %d messages", len(heard))
		}
		want := <-heard
		if want.Full || want.Counter != from+1 || len(want.Pods) != 1 {
			t.Fatalf("heard %+v", want)
		}
		told := &corev1.Pod{}
		if err := told.Unmarshal(want.Pods[0].Body); err != nil || told.Name != "web" || told.Spec.NodeName != "n1" || want.Pods[0].UID != string(pod.UID) {
			t.Fatalf("heard of %+v, %v", told, err)
		}

		if _, err := link.Report(t.Context(), proto.Report{Items: []proto.ReportItem{phaseOf(pod, corev1.PodRunning)}}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if len(heard) != 0 {
			t.Error("a node was told what it said itself")
		}

		zero := int64(0)
		w.must(events.Delete{Key: podResource.Key("default", "web"), Options: metav1.DeleteOptions{GracePeriodSeconds: &zero}})
		if want = <-heard; want.Counter != from+2 || !want.Pods[0].Gone {
			t.Fatalf("heard %+v", want)
		}
		w.must(events.Delete{Key: nodeResource.Key("", "n1")})
		if want = <-heard; want.Counter != from+3 || !want.Pods[0].Gone || want.Pods[0].Key != nodeResource.Key("", "n1") {
			t.Fatalf("heard %+v", want)
		}
		synctest.Wait()
		if len(others) != 0 {
			t.Error("a node was told of another's pods")
		}
	})
}

func TestN6SyncTellsEverythingAndNothingOlderFollows(t *testing.T) {
	w := newWorld(t, startServer(t, ServerConfig{}))
	link := w.joinedNode("n1")
	w.boundPod("a", "n1")
	w.boundPod("b", "n1")
	w.boundPod("c", "")
	w.eventually(func() error {
		want, err := link.Sync(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if !want.Full || len(want.Pods) != 3 || want.Pods[0].Key != nodeResource.Key("", "n1") {
			t.Fatalf("a sync told %+v", want)
		}
		if now := w.relay.Counter("n1"); want.Counter != now {
			return fmt.Errorf("synced at %d, relayed %d since", want.Counter, now)
		}
		return nil
	})

	// A change that the sync covers, but that the relay comes to only now.
	heard := hear(t, link)
	before := w.relay.Counter("n1")
	stale := events.Change{Seq: w.fold.Position().Seq, After: w.fold.records[podResource.Key("default", "a")]}
	if err := w.relay.change(stale); err != nil {
		t.Fatal(err)
	}
	if w.relay.Counter("n1") != before || len(heard) != 0 {
		t.Error("something older than the sync was relayed")
	}
}

func TestN6WantsCloseWhenSomethingMayBeMissed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, startServer(t, ServerConfig{}))
		link := w.joinedNode("n1")

		ctx, cancel := context.WithCancel(t.Context())
		ends, err := link.Wants(ctx)
		if err != nil {
			t.Fatal(err)
		}
		cancel()
		if _, open := <-ends; open {
			t.Error("heard something")
		}

		slow := hear(t, link)
		for range hearingBuffer + 10 {
			if err := w.control.nc.Publish(proto.NodeWant("n1"), proto.Pack(proto.Want{})); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		n := 0
		for range slow {
			n++
		}
		if n != hearingBuffer {
			t.Errorf("heard %d messages before the end", n)
		}

		broken := hear(t, link)
		link.conn.nc.Close()
		if _, open := <-broken; open {
			t.Error("heard something")
		}
	})
}

// A node with more than a message takes hears all of it, in parts.
func TestN6ALargeSyncComesInParts(t *testing.T) {
	w := newWorld(t, startServer(t, ServerConfig{}))
	link := w.joinedNode("n1")
	const pods = 40
	for i := range pods {
		key := podResource.Key("default", fmt.Sprintf("web-%02d", i))
		pod := &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Name: key.Name, Namespace: "default", Annotations: map[string]string{"a": strings.Repeat("x", 250_000)}},
			Spec:       corev1.PodSpec{NodeName: "n1", Containers: []corev1.Container{{Name: "main", Image: "nginx:1.7.9"}}},
		}
		w.must(events.Create{Key: key, Object: pod, UID: types.UID("uid-" + key.Name)})
	}
	want, err := link.Sync(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if !want.Full || want.More || len(want.Pods) != pods+1 || want.Pods[0].Key != nodeResource.Key("", "n1") {
		t.Errorf("heard of %d objects, full %t, more %t", len(want.Pods), want.Full, want.More)
	}

	var parts []proto.Want
	s := syncing{want: proto.Want{Counter: 7, Full: true}, send: func(part proto.Want) error {
		if size := len(proto.Pack(part)); size > 2*syncPart {
			t.Errorf("a part has %d bytes", size)
		}
		parts = append(parts, part)
		return nil
	}}
	if err := s.everythingOf(w.View(), "n1"); err != nil {
		t.Fatal(err)
	}
	if len(parts) < 10 {
		t.Fatalf("%d parts", len(parts))
	}
	assemble := func(parts ...proto.Want) (proto.Want, error) {
		return assembled(func() (part proto.Want, err error) {
			if len(parts) == 0 {
				return part, context.DeadlineExceeded
			}
			part, parts = parts[0], parts[1:]
			return part, nil
		})
	}
	if all, err := assemble(parts...); err != nil || len(all.Pods) != pods+1 || all.Counter != 7 {
		t.Errorf("the parts are %d objects, %v", len(all.Pods), err)
	}
	mixed := slices.Clone(parts)
	mixed[1].Counter++
	for what, wrong := range map[string][]proto.Want{
		"without the first part":  parts[1:],
		"without the second part": append([]proto.Want{parts[0]}, parts[2:]...),
		"without the last part":   parts[:len(parts)-1],
		"in another order":        {parts[1], parts[0]},
		"with another sync's":     mixed,
	} {
		if all, err := assemble(wrong...); err == nil {
			t.Errorf("%s, it passes for everything, with %d objects", what, len(all.Pods))
		}
	}
}
