package events

import (
	"fmt"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// Restricted is how labels of Nodes begin that only people set, as with
// Kubernetes' NodeRestriction: what they say of a node is no word of its own.
const Restricted = restrictedDomain + "/"

const restrictedDomain = "node-restriction.kubernetes.io"

// RestrictedLabel tells whether a label of a Node is not the node's to set: it is
// below node-restriction.kubernetes.io, or below a domain in it.
func RestrictedLabel(label string) bool {
	domain, _, below := strings.Cut(label, "/")
	return below && (domain == restrictedDomain || strings.HasSuffix(domain, "."+restrictedDomain))
}

// restrict refuses a node that gives such labels to a Node, or takes them, by
// whichever way its words came.
func (d *decider) restrict(c change) error {
	if c.kind.Resource != nodes || c.after == nil || !d.cmd.Actor.Node() {
		return nil
	}
	var had map[string]string
	if c.before != nil {
		had = c.before.GetLabels()
	}
	has := c.after.GetLabels()
	for label, value := range has {
		if was, same := had[label]; RestrictedLabel(label) && (!same || was != value) {
			return notForNodes(c, label)
		}
	}
	for label := range had {
		if _, still := has[label]; RestrictedLabel(label) && !still {
			return notForNodes(c, label)
		}
	}
	return nil
}

func notForNodes(c change, label string) error {
	return apierrors.NewForbidden(c.kind.GroupResource(), c.key.Name,
		fmt.Errorf("the label %s is not for nodes to set or to take away: people do that (kubectl label node)", label))
}
