package nodelife

import (
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"

	"segno/events"
	"segno/reconcilers"
)

var _ reconcilers.Refuser = (*Reconciler)(nil)

// Refused does for the node alone what was refused together with its pods: no
// pod keeps a node from being silent. Its pods then come in a look of their own,
// where each that can be written is.
func (r *Reconciler) Refused(view events.View, key reconcilers.Key, refusals []reconcilers.Refusal, at time.Time) (d reconcilers.Decision, err error) {
	node, ok, err := events.GetAs[*corev1.Node](view, key)
	if err != nil {
		return d, fmt.Errorf("read %s: %w", key, err)
	}
	if !ok {
		return d, nil
	}
	l := &look{grace: r.cfg.Grace, since: r.cfg.Since, view: view, at: at, node: node}
	if err := l.listen(); err != nil {
		return d, err
	}
	l.decision.Notes = append(l.decision.Notes, reconcilers.RefusedNotes(reconcilers.About(reconcilers.NodeKind, node), refusals)...)
	return l.decision, nil
}
