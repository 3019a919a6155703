package agents

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"segno/agents/catalog"
	"segno/agents/network"
	"segno/agents/policy"
	"segno/agents/runtime/simulated"
	"segno/agents/services"
	"segno/events/ingressrule"
	"segno/proto"
)

// hearer is a control plane that knows a node, and hears what it says.
type hearer struct {
	recalling
	said []corev1.NodeStatus
}

func (h *hearer) Register(_ context.Context, node *corev1.Node) (*corev1.Node, error) {
	h.said = append(h.said, node.Status)
	out := h.node.DeepCopy()
	out.Status = node.Status
	return out, nil
}

func (h *hearer) Report(_ context.Context, r proto.Report) (proto.Reply, error) {
	for _, item := range r.Items {
		node := &corev1.Node{}
		if err := node.Unmarshal(item.Status); err != nil {
			return proto.Reply{}, err
		}
		h.said = append(h.said, node.Status)
	}
	return proto.Reply{Errors: make([]string, len(r.Items))}, nil
}

// Wants has nothing to tell.
func (h *hearer) Wants(context.Context) (<-chan proto.Want, error) {
	return make(chan proto.Want), nil
}

// says is a condition as it was told last.
func (h *hearer) says(of corev1.NodeConditionType) string {
	last := h.said[len(h.said)-1]
	at := slices.IndexFunc(last.Conditions, func(c corev1.NodeCondition) bool { return c.Type == of })
	if at < 0 {
		return "nothing"
	}
	is := last.Conditions[at]
	return fmt.Sprint(is.Status, " ", is.Reason)
}

func hearing(t *testing.T, before *corev1.Node) (*Agent, *hearer) {
	t.Helper()
	h := &hearer{recalling: recalling{node: before}}
	a, err := New(Config{
		Node: "n1", Link: h, Shared: h, Catalog: &catalog.Catalog{}, Services: &services.Options{},
		Runtime: simulated.New(simulated.Config{}), Network: network.NewSimulated(), Version: "v0-test",
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.shared.close(); a.unlock() })
	return a, h
}

// flush has the outbox deliver all that it has.
func flush(t *testing.T, a *Agent) {
	t.Helper()
	for more := true; more; {
		var err error
		if more, err = a.outbox.Step(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

// TestN1TheNewestStatusOfANodeIsToldLast, also when two report at once.
func TestN1TheNewestStatusOfANodeIsToldLast(t *testing.T) {
	a, h := hearing(t, &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "n1", UID: "u"}})
	if err := a.recall(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := a.register(t.Context()); err != nil {
		t.Fatal(err)
	}
	for i := range 200 {
		reason := fmt.Sprint("Try", i)
		var all sync.WaitGroup
		for range 20 {
			all.Go(a.report)
		}
		all.Go(func() {
			a.changeHealth(func(h *health) { h.services = services.Status{Reason: reason} })
			a.report()
		})
		for range 20 {
			all.Go(a.report)
		}
		all.Wait()
		flush(t, a)
		if got := h.says(proto.NodeServiceProxy); got != "False "+reason {
			t.Fatalf("the last word is %s, want %s", got, reason)
		}
	}
}

// TestN1ARestartKeepsConditionsThatArePartsToSay, until the part does, or has had
// its time; and a condition of no part of this agent goes at once.
func TestN1ARestartKeepsConditionsThatArePartsToSay(t *testing.T) {
	long := metav1.NewTime(time.Now().Add(-time.Hour).Truncate(time.Second))
	before := &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: "n1", UID: "u"},
		Status: corev1.NodeStatus{Conditions: []corev1.NodeCondition{
			{Type: proto.NodeServiceProxy, Status: corev1.ConditionTrue, Reason: "NFTables", LastTransitionTime: long},
			{Type: ingressrule.Condition, Status: corev1.ConditionTrue, Reason: "Serving", LastTransitionTime: long},
			{Type: nodeNetworkPolicy, Status: corev1.ConditionTrue, Reason: "Enforced", LastTransitionTime: long},
		}},
	}
	a, h := hearing(t, before)
	expect := func(when, want string) {
		t.Helper()
		if got := fmt.Sprint(h.says(proto.NodeServiceProxy), ", ", h.says(ingressrule.Condition), ", ", h.says(nodeNetworkPolicy)); got != want {
			t.Errorf("%s: %s, want %s", when, got, want)
		}
	}
	a.report()
	flush(t, a)
	if len(h.said) != 0 {
		t.Error("it reports before it has asked what it was")
	}
	if err := a.recall(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := a.register(t.Context()); err != nil {
		t.Fatal(err)
	}
	expect("as it registers", "True NFTables, nothing, nothing") // it has no ingress and no policies
	flush(t, a)
	expect("its first report", "True NFTables, nothing, nothing")
	for _, c := range h.said[0].Conditions {
		if c.Type == proto.NodeServiceProxy && !c.LastTransitionTime.Equal(&long) {
			t.Errorf("it is so since %s, want %s", c.LastTransitionTime, long)
		}
	}
	tell := func(change func(*health)) {
		a.changeHealth(change)
		a.report()
		flush(t, a)
	}
	tell(func(h *health) { h.former.until = time.Now() })
	expect("when its time is over", "nothing, nothing, nothing")
	tell(func(h *health) { h.former.until = time.Now().Add(time.Hour) })
	expect("within it", "True NFTables, nothing, nothing")
	tell(func(h *health) { h.services = services.Status{Reason: "ProxyFailed"} })
	expect("when services have spoken", "False ProxyFailed, nothing, nothing")
	tell(func(h *health) { h.services = services.Status{} })
	expect("what was before is forgotten then", "nothing, nothing, nothing")
}

// TestN1PoliciesAreNotCalledInForceBeforeItIsKnownHowServicesAreServed: in user
// space they are not.
func TestN1PoliciesAreNotCalledInForceBeforeItIsKnownHowServicesAreServed(t *testing.T) {
	a, h := hearing(t, &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "n1", UID: "u"}})
	if err := a.register(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		change func(*health)
		want   string
	}{
		{func(h *health) { h.policies = policy.Status{Enforced: true, Reason: "Enforced"} }, "nothing"},
		{func(h *health) { h.services = services.Status{Served: true, Reason: "Userspace"} }, "False UserspaceProxy"},
		{func(h *health) { h.services.Reason = "NFTables" }, "True Enforced"},
	} {
		a.changeHealth(step.change)
		a.report()
		flush(t, a)
		if got := h.says(nodeNetworkPolicy); got != step.want {
			t.Errorf("%s, want %s", got, step.want)
		}
	}
}
