package agents

import (
	"errors"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"segno/agents/policy"
	"segno/agents/services"
)

// TestNetworkPolicyConditionOfANode says what does not hold, and nothing where
// nobody tries.
func TestNetworkPolicyConditionOfANode(t *testing.T) {
	enforced := policy.Status{Enforced: true, Reason: "Enforced", Message: "by nftables"}
	for _, c := range []struct {
		what     string
		policies policy.Status
		services services.Status
		status   corev1.ConditionStatus
		reason   string
	}{
		{"nobody tries", policy.Status{}, services.Status{}, "", ""},
		{"in force", enforced, services.Status{Served: true, Reason: "NFTables"}, corev1.ConditionTrue, "Enforced"},
		{"the agent dials", enforced, services.Status{Served: true, Reason: "Userspace"}, corev1.ConditionFalse, "UserspaceProxy"},
		{"no nftables", policy.Status{Reason: "NFTablesUnavailable", Message: "none"}, services.Status{Served: true, Reason: "Userspace"}, corev1.ConditionFalse, "NFTablesUnavailable"},
	} {
		h := health{network: errors.New("not up"), policies: c.policies, services: c.services, since: map[corev1.NodeConditionType]condition{}}
		var status corev1.ConditionStatus
		var reason string
		for _, is := range h.conditions() {
			if is.Type == nodeNetworkPolicy {
				status, reason = is.Status, is.Reason
				if is.Message == "" {
					t.Errorf("%s: no message", c.what)
				}
			}
		}
		if lax, _ := h.lax(); (lax != "") != (c.status == corev1.ConditionFalse) {
			t.Errorf("%s: people are told of %q", c.what, lax)
		}
		if status != c.status || reason != c.reason {
			t.Errorf("%s: %s %s, want %s %s", c.what, status, reason, c.status, c.reason)
		}
	}
}
