package agents

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"segno/events/ingressrule"
	"segno/proto"
)

// former is what this node last said of parts that, in this agent, have yet to say
// how they are: that an agent starts is no news of them, and other nodes act on it.
type former struct {
	said  map[corev1.NodeConditionType]corev1.NodeCondition
	until time.Time // what nobody says again by then is true no more
}

// of is a condition as it was said before.
func (f *former) of(kind corev1.NodeConditionType, now time.Time) (corev1.NodeCondition, bool) {
	was, found := f.said[kind]
	was.LastHeartbeatTime = metav1.NewTime(now)
	return was, found && now.Before(f.until)
}

// forget drops what a part of this agent has said itself.
func (f *former) forget(h *health) {
	if h.services.Reason != "" {
		delete(f.said, proto.NodeServiceProxy)
	}
	if h.policiesKnown() {
		delete(f.said, nodeNetworkPolicy)
	}
	if h.entry.Reason != "" && !h.assumed {
		delete(f.said, ingressrule.Condition)
	}
}

// recall learns what this node was before. What was said of its parts stays until
// they say it themselves. Where nothing is kept of it, its network is then up when
// it registers, and it need not say that it is not ready.
func (a *Agent) recall(ctx context.Context) error {
	a.mu.Lock()
	done := a.recalled
	a.mu.Unlock()
	if done {
		return nil
	}
	all, err := a.cfg.Link.Sync(ctx)
	if err != nil {
		return fmt.Errorf("sync: %w", err)
	}
	for i := range all.Pods {
		p, node := &all.Pods[i], &corev1.Node{}
		if p.Key.Resource != nodes || p.Gone {
			continue
		}
		if err := node.Unmarshal(p.Body); err != nil {
			a.cfg.Logger.Error("what this node was before cannot be read", "error", err)
			continue
		}
		a.recallNode(ctx, node)
	}
	a.mu.Lock()
	a.recalled = true
	a.mu.Unlock()
	return nil
}

func (a *Agent) recallNode(ctx context.Context, node *corev1.Node) {
	said := a.recalledConditions(node)
	a.mu.Lock()
	a.health.former = former{said, time.Now().Add(a.cfg.StatusPeriod)}
	a.health.former.forget(&a.health)
	kept := a.node != nil
	if !kept {
		a.former = node
	}
	a.mu.Unlock()
	if !kept {
		a.setUpNetworkOf(ctx, node)
	}
}

// recalledConditions are those that parts of this agent will say again.
func (a *Agent) recalledConditions(node *corev1.Node) map[corev1.NodeConditionType]corev1.NodeCondition {
	said := map[corev1.NodeConditionType]corev1.NodeCondition{}
	for i := range node.Status.Conditions {
		is := node.Status.Conditions[i]
		switch {
		case is.Type == proto.NodeServiceProxy && a.serving != nil,
			is.Type == nodeNetworkPolicy && a.policies != nil,
			is.Type == ingressrule.Condition && a.cfg.Ingress != nil && ingressrule.Chosen(node):
			said[is.Type] = is
		}
	}
	return said
}
