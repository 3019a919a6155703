package replicaset

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"segno/events"
	"segno/events/podstate"
	"segno/reconcilers"
	"segno/reconcilers/internal/claim"
)

// lower deletes what is too much, the pods first whose loss hurts least.
func (s *survey) lower(d *reconcilers.Decision, view events.View, surplus int) error {
	crowd, err := s.crowd(view)
	if err != nil {
		return err
	}
	candidates := make([]candidate, 0, len(s.active))
	for _, pod := range s.active {
		candidates = append(candidates, newCandidate(pod, crowd[pod.Spec.NodeName]))
	}
	slices.SortFunc(candidates, compareLoss)
	var deletions []events.Action
	var told []reconcilers.Note
	for _, c := range candidates[:min(surplus, atOnce)] {
		deletions = append(deletions, events.Delete{
			Key:     keyOf(c.pod),
			Options: metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &c.pod.UID}},
		})
		told = append(told, s.note("SuccessfulDelete", "Deleted pod: "+c.pod.Name, keyOf(c.pod)))
	}
	d.Do("ScaledDown", deletions...)
	d.Notes = append(d.Notes, abridged(told)...)
	return nil
}

// crowd counts, by node, the active pods of this ReplicaSet and of its
// siblings: those of the same Deployment.
func (s *survey) crowd(view events.View) (map[string]int, error) {
	family := []types.UID{s.rs.UID}
	if parent := claim.Controller(s.rs); parent != "" {
		siblings, err := view.List(events.Query{
			Resource: reconcilers.ReplicaSets, Namespace: s.rs.Namespace, Owner: parent,
		})
		if err != nil {
			return nil, fmt.Errorf("list siblings of replica set %s/%s: %w", s.rs.Namespace, s.rs.Name, err)
		}
		for _, rs := range siblings.Items {
			if rs.GetUID() != s.rs.UID {
				family = append(family, rs.GetUID())
			}
		}
	}
	crowd := map[string]int{}
	for _, uid := range family {
		pods, err := events.ListAs[*corev1.Pod](view, events.Query{
			Resource: reconcilers.Pods, Namespace: s.rs.Namespace, Owner: uid,
		})
		if err != nil {
			return nil, fmt.Errorf("list pods beside those of replica set %s/%s: %w", s.rs.Namespace, s.rs.Name, err)
		}
		for _, pod := range pods {
			if podstate.Active(pod) {
				crowd[pod.Spec.NodeName]++
			}
		}
	}
	return crowd, nil
}

// candidate is what matters about a pod when one has to go.
type candidate struct {
	pod      *corev1.Pod
	phase    int // the further it has come, the higher
	ready    bool
	cost     int // what its deletion costs, as its annotation says
	crowd    int // replicas on its node
	since    time.Time
	restarts int32
}

func newCandidate(pod *corev1.Pod, crowd int) candidate {
	c := candidate{pod: pod, ready: podstate.Ready(pod), crowd: crowd}
	switch pod.Status.Phase {
	case corev1.PodPending, "":
		c.phase = 0
	case corev1.PodUnknown:
		c.phase = 1
	default:
		c.phase = 2
	}
	if cost, err := strconv.ParseInt(pod.Annotations[corev1.PodDeletionCost], 10, 32); err == nil {
		c.cost = int(cost)
	}
	if c.ready {
		c.since = podstate.Condition(pod, corev1.PodReady).LastTransitionTime.Time
	}
	for i := range pod.Status.ContainerStatuses {
		c.restarts = max(c.restarts, pod.Status.ContainerStatuses[i].RestartCount)
	}
	return c
}

// compareLoss puts the pod first whose loss hurts less: without a node, not
// running, not ready, of lower cost, on a crowded node, ready for a shorter
// time, restarted more often, younger; the name breaks a tie.
func compareLoss(a, b candidate) int {
	return cmp.Or(
		falseFirst(a.pod.Spec.NodeName != "", b.pod.Spec.NodeName != ""),
		cmp.Compare(a.phase, b.phase),
		falseFirst(a.ready, b.ready),
		cmp.Compare(a.cost, b.cost),
		cmp.Compare(b.crowd, a.crowd),
		b.since.Compare(a.since),
		cmp.Compare(b.restarts, a.restarts),
		b.pod.CreationTimestamp.Compare(a.pod.CreationTimestamp.Time),
		cmp.Compare(a.pod.Name, b.pod.Name),
	)
}

func falseFirst(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	default:
		return 1
	}
}
