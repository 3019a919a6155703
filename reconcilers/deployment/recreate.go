package deployment

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"

	"segno/events"
	"segno/events/podstate"
	"segno/reconcilers"
)

// recreate ends all old pods, waits for the last one to be gone, and only then
// makes new ones.
func (p *plan) recreate() error {
	p.syncRevision()
	waiting := false
	for _, s := range active(p.old) {
		p.resize(s, 0)
		waiting = true
	}
	if waiting {
		return nil
	}
	if running, err := p.oldPodsRun(); err != nil || running {
		return err
	}
	if err := p.ensureCurrent(); err != nil {
		return err
	}
	p.resize(p.current, p.wanted())
	return nil
}

// oldPodsRun tells whether a pod of an old template may still run, one that is
// being deleted included.
func (p *plan) oldPodsRun() (bool, error) {
	for _, s := range p.old {
		if s.rs.Status.Replicas > 0 {
			return true, nil
		}
		pods, err := events.ListAs[*corev1.Pod](p.view, events.Query{
			Resource: reconcilers.Pods, Namespace: p.d.Namespace, Owner: s.rs.UID,
		})
		if err != nil {
			return false, fmt.Errorf("list old pods of deployment %s/%s: %w", p.d.Namespace, p.d.Name, err)
		}
		for _, pod := range pods {
			if !podstate.Finished(pod) {
				return true, nil
			}
		}
	}
	return false, nil
}
