package agents

import (
	"context"
	"net/netip"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"segno/agents/policy"
	"segno/agents/policy/tables"
)

// nodeNetworkPolicy is the condition of a node that says whether NetworkPolicies
// are in force on its pods.
const nodeNetworkPolicy corev1.NodeConditionType = "NetworkPolicy"

// Policed is a Network whose pods can be held to NetworkPolicies.
type Policed interface {
	// PolicyTables is the name of the tables that do that.
	PolicyTables() string
	// FilterBridged makes packets between the node's own pods pass them, too.
	FilterBridged(on bool) error
}

func (a *Agent) assemblePolicies() (err error) {
	network, can := a.cfg.Network.(Policed)
	if !can || a.shared == nil {
		return nil
	}
	a.policies, err = policy.New(policy.Config{
		Node: string(a.cfg.Node), Catalog: a.cfg.Catalog, Filter: network.FilterBridged, Logger: a.cfg.Logger,
		Open: func() (policy.Tables, error) { return tables.Open(network.PolicyTables()) },
		Told: func(status policy.Status) { a.changeHealth(func(h *health) { h.policies = status }) },
	})
	return err
}

// police waits until it is known what there is to enforce: to an agent that knows
// nothing every policy of before would seem withdrawn.
func (a *Agent) police(ctx context.Context) error {
	for _, there := range []chan struct{}{a.shared.known, a.cabled} {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-there:
		}
	}
	return a.policies.Run(ctx)
}

// isolate is how pods are held to policies before they are cabled.
type isolate struct{ policies *policy.Enforcer }

func (i isolate) Attach(ctx context.Context, object *corev1.Pod, addresses []netip.Addr) error {
	pod := policy.FromObject(object)
	pod.Addresses = addresses
	return i.policies.Attach(ctx, pod)
}

func (i isolate) Detach(uid string) { i.policies.Detach(types.UID(uid)) }

// policiesKnown says whether it is known how policies hold: that depends on how
// Services are served.
func (h *health) policiesKnown() bool {
	return h.policies.Reason != "" && (!h.policies.Enforced || !h.serves || h.services.Reason != "")
}

// policyCondition is what the node says of its policies; a proxy in user space
// dials in the node's name, which every pod of the node has to let in.
func (h *health) policyCondition() (corev1.ConditionStatus, string, string) {
	switch {
	case !h.policies.Enforced:
		return corev1.ConditionFalse, h.policies.Reason, h.policies.Message
	case h.services.Reason == "Userspace":
		return corev1.ConditionFalse, "UserspaceProxy",
			"NetworkPolicies do not hold for what pods send to Services, which comes in the node's name: take --proxy-mode=nftables or ipvs"
	}
	return corev1.ConditionTrue, h.policies.Reason, h.policies.Message
}

// lax is why policies do not hold on the node; "" is that they do, or that nobody
// tries.
func (h *health) lax() (reason, message string) {
	if !h.policiesKnown() {
		return "", ""
	}
	status, reason, message := h.policyCondition()
	if status == corev1.ConditionTrue {
		return "", ""
	}
	return reason, message
}
