package bus

import (
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"

	"segno/events"
	"segno/proto"
)

func TestN1NodeRegistersItself(t *testing.T) {
	w := newWorld(t, startServer(t, ServerConfig{}))
	link := w.joinedNode("n1")
	first := w.nodeObject("n1")
	if first.Spec.PodCIDR == "" || first.Labels["kubernetes.io/hostname"] != "n1" || len(first.Status.Conditions) != 1 {
		t.Fatalf("registered as %+v", first)
	}
	if key := w.server.Identities().Public(RoleNode, "n1"); first.Annotations[NodeKeyAnnotation] != key {
		t.Errorf("its key is %q, want %q", first.Annotations[NodeKeyAnnotation], key)
	}

	again := newNode("n1")
	again.Labels = map[string]string{"disk": "ssd", "node-restriction.kubernetes.io/team": "mine"}
	again.Annotations = map[string]string{NodeKeyAnnotation: "UFORGED", "note": "x"}
	again.Spec.PodCIDR = "10.0.0.0/8"
	again.Spec.Unschedulable = true
	have, err := link.Register(t.Context(), again)
	if err != nil {
		t.Fatal(err)
	}
	switch {
	case have.UID != first.UID || have.Spec.PodCIDR != first.Spec.PodCIDR || have.Spec.Unschedulable:
		t.Errorf("a node changed its own spec: %+v", have)
	case have.Labels["disk"] != "ssd" || have.Labels["kubernetes.io/hostname"] != "n1" || have.Annotations["note"] != "x":
		t.Errorf("labels and annotations are %v, %v", have.Labels, have.Annotations)
	case have.Labels["node-restriction.kubernetes.io/team"] != "":
		t.Error("a node gave itself a restricted label")
	case have.Annotations[NodeKeyAnnotation] != first.Annotations[NodeKeyAnnotation]:
		t.Error("a node changed the key that it is known by")
	}

	before := w.fold.Position().Seq
	if _, err := link.Register(t.Context(), again); err != nil {
		t.Fatal(err)
	}
	if at := w.fold.Position().Seq; at != before {
		t.Errorf("registering once more appended %d transactions", at-before)
	}
	if _, err := link.Register(t.Context(), newNode("n2")); err == nil {
		t.Error("a node registered under another name")
	}
}

func TestN2ReportIsDurableAndSaysWho(t *testing.T) {
	w := newWorld(t, startServer(t, ServerConfig{}))
	link := w.joinedNode("n1")
	pod := w.boundPod("web", "n1")
	bound, err := proto.ParseSeq(pod.ResourceVersion)
	if err != nil {
		t.Fatal(err)
	}
	item := phaseOf(pod, corev1.PodRunning)
	item.Cause = bound
	reply, err := link.Report(t.Context(), proto.Report{Items: []proto.ReportItem{item}})
	if err != nil || reply.Retry != "" || reply.Errors[0] != "" {
		t.Fatalf("answered %+v, %v", reply, err)
	}
	if phase := w.pod("web").Status.Phase; phase != corev1.PodRunning {
		t.Fatalf("answered before it was durable: phase %s", phase)
	}
	env := envelope(t, w.fold, w.fold.Position().Seq)
	if env.Actor != "node:n1" || env.Cause.Seq != bound || env.Correlation != "apply-1" || env.Events[0].Reason != "ContainerStarted" {
		t.Errorf("the transaction says %+v", env)
	}
}

func TestN5NodeMaySpeakOnlyOfItsOwn(t *testing.T) {
	w := newWorld(t, startServer(t, ServerConfig{}))
	link := w.joinedNode("n1")
	w.joinedNode("n2")
	foreign := phaseOf(w.boundPod("foreign", "n2"), corev1.PodFailed)
	config := foreign
	config.Key = proto.Resource{Name: "configmaps"}.Key("default", "x")
	other := foreign
	other.Key = nodeResource.Key("", "n2")
	alive := phaseOf(w.boundPod("alive", "n1"), corev1.PodRunning)
	alive.Ended = true
	stale := phaseOf(w.pod("alive"), corev1.PodFailed)
	stale.UID = "an-older-one"
	unknown := stale
	unknown.Key.Name = "unknown"

	before := w.fold.Position()
	reply, err := link.Report(t.Context(), proto.Report{Items: []proto.ReportItem{foreign, config, other, alive, stale, unknown}})
	if err != nil || reply.Retry != "" {
		t.Fatalf("answered %+v, %v", reply, err)
	}
	for i, what := range []string{"another node's pod", "a config map", "another node", "the end of a pod that nobody deleted"} {
		if reply.Errors[i] == "" {
			t.Errorf("a node was let speak of %s", what)
		}
	}
	for i, what := range []string{"an older pod of the name", "a pod that is gone"} {
		if reply.Errors[4+i] != "" {
			t.Errorf("%s is not moot: %s", what, reply.Errors[4+i])
		}
	}
	if at := w.fold.Position(); at != before {
		t.Error("the log changed")
	}
}

func TestP5EndedPodIsRemoved(t *testing.T) {
	w := newWorld(t, startServer(t, ServerConfig{}))
	link := w.joinedNode("n1")
	w.boundPod("web", "n1")
	w.must(events.Delete{Key: podResource.Key("default", "web")})
	pod := w.pod("web")
	if pod == nil || pod.DeletionTimestamp == nil {
		t.Fatalf("a bound pod should end gracefully: %+v", pod)
	}
	item := phaseOf(pod, corev1.PodSucceeded)
	item.Ended = true
	reply, err := link.Report(t.Context(), proto.Report{Items: []proto.ReportItem{item}})
	if err != nil || reply.Retry != "" || reply.Errors[0] != "" {
		t.Fatalf("answered %+v, %v", reply, err)
	}
	if w.pod("web") != nil {
		t.Fatal("the pod is still there")
	}
	reply, err = link.Report(t.Context(), proto.Report{Items: []proto.ReportItem{item}})
	if err != nil || reply.Retry != "" || reply.Errors[0] != "" {
		t.Fatalf("sent again, answered %+v, %v", reply, err)
	}
}

func TestN1BeatRenewsTheLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, startServer(t, ServerConfig{}))
		link := w.joinedNode("n1")
		key := leaseResource.Key(LeaseNamespace, "n1")
		var renewed time.Time
		for range 3 {
			time.Sleep(10 * time.Second) // the bubble's time
			counter, err := link.Beat(t.Context())
			if err != nil || counter != w.relay.Counter("n1") {
				t.Fatalf("answered %d, %v", counter, err)
			}
			lease, found, err := events.GetAs[*coordinationv1.Lease](w.leases.View(), key)
			if err != nil || !found || *lease.Spec.HolderIdentity != "n1" || !lease.Spec.RenewTime.After(renewed) {
				t.Fatalf("the lease is %+v, %v", lease, err)
			}
			renewed = lease.Spec.RenewTime.Time
		}
	})
}

func TestN5ReplyGoesToTheAskersInboxOnly(t *testing.T) {
	w := newWorld(t, startServer(t, ServerConfig{}))
	link := w.joinedNode("n1")
	before := w.fold.Position()
	for _, subject := range []string{proto.NodeReport("n1"), proto.NodeSync("n1"), proto.NodeBeat("n1"), proto.NodeRegister("n1")} {
		for _, reply := range []string{"ev.-.pods.default", proto.NodeWant("n2"), "_INBOX_node:n10.x", "$JS.API.STREAM.DELETE.EVENTS"} {
			if err := link.conn.nc.PublishRequest(subject, reply, nil); err != nil {
				t.Fatal(err)
			}
		}
	}
	if _, err := link.Sync(t.Context()); err != nil { // in order behind the others
		t.Fatal(err)
	}
	if _, err := link.Beat(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.must(events.Create{Key: configMaps.Key("default", "a"), Object: newConfigMap("a"), UID: "u"}) // not fenced
	if at := w.fold.Position(); at.Seq != before.Seq+1 {
		t.Errorf("the log went from %s to %s", before.Seq, at.Seq)
	}
}

func TestN2ReportsOfANodeStayInOrder(t *testing.T) {
	lanes := newLanes()
	var mu sync.Mutex
	var order strings.Builder
	gate := make(chan struct{})
	lanes.put("n1", 1, func() { <-gate })
	for _, text := range []string{"a", "b", "c"} {
		lanes.put("n1", 1, func() {
			mu.Lock()
			defer mu.Unlock()
			order.WriteString(text)
		})
	}
	done := make(chan struct{})
	lanes.put("n2", 1, func() { close(done) })
	<-done // another node does not wait
	full := true
	for range laneLength {
		full = full && lanes.put("n1", 1, func() {})
	}
	if full {
		t.Error("a lane took more than it holds")
	}
	close(gate)
	lanes.finish()
	if order.String() != "abc" {
		t.Errorf("done in order %q", order.String())
	}
}

func TestN5LanesBoundWhatWaits(t *testing.T) {
	lanes := newLanes()
	gate := make(chan struct{})
	lanes.put("n1", maxPayload, func() { <-gate })
	taken := 0
	for range 4 {
		if lanes.put("n1", maxPayload, func() {}) {
			taken++
		}
	}
	if taken != 1 || !lanes.put("n2", maxPayload, func() {}) {
		t.Errorf("besides the one under way, %d of the largest messages wait", taken)
	}
	close(gate)
	lanes.finish()
	if lanes.put("n1", 1, func() { t.Error("done after the end") }) {
		t.Error("a message was taken after the end")
	}
}
