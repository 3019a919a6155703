package replicaset

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"segno/events"
	"segno/events/podstate"
	"segno/proto"
	"segno/reconcilers"
	"segno/reconcilers/internal/claim"
)

// roomForPods is how much of a transaction's bytes pods may take; what the
// table's defaults add to each is counted with podOverhead.
const (
	roomForPods = proto.MaxEnvelope / 2
	podOverhead = 2 << 10
)

// raise adopts orphans, or else makes what is missing.
func (s *survey) raise(d *reconcilers.Decision, view events.View, missing int) error {
	orphans, err := claim.Orphans[*corev1.Pod](view, s.owner(), reconcilers.Pods)
	if err != nil {
		return fmt.Errorf("list orphans for replica set %s/%s: %w", s.rs.Namespace, s.rs.Name, err)
	}
	var adoptions []events.Action
	for _, pod := range orphans {
		if podstate.Active(pod) && len(adoptions) < atOnce {
			adoptions = append(adoptions, claim.Adopt(s.owner(), keyOf(pod), pod))
		}
	}
	if len(adoptions) > 0 {
		d.Do("Adopted", adoptions...)
		return nil
	}
	return s.create(d, view, min(missing, s.fitting()))
}

// fitting is how many pods of the template one transaction takes.
func (s *survey) fitting() int {
	return max(1, min(atOnce, roomForPods/(s.rs.Spec.Template.Size()+podOverhead)))
}

// create makes pods, all in one transaction.
func (s *survey) create(d *reconcilers.Decision, view events.View, count int) error {
	names, err := s.names(view, count)
	if err != nil {
		return err
	}
	creations := make([]events.Action, 0, count)
	told := make([]reconcilers.Note, 0, count)
	for _, name := range names {
		key := reconcilers.Pods.Key(s.rs.Namespace, name)
		creations = append(creations, events.Create{
			Key: key, Object: s.pod(name), UID: reconcilers.UID("pod", s.rs.UID, view.Seq(), name),
		})
		told = append(told, s.note("SuccessfulCreate", "Created pod: "+name, key))
	}
	d.Do("ScaledUp", creations...)
	d.Notes = append(d.Notes, abridged(told)...)
	return nil
}

// names makes as many names for pods, all of them free.
func (s *survey) names(view events.View, count int) ([]string, error) {
	taken := map[string]bool{}
	names := make([]string, 0, count)
	for i := 0; len(names) < count; i++ {
		name := reconcilers.Generated(s.rs.Name+"-", reconcilers.Suffix(s.rs.UID, view.Seq(), i))
		if taken[name] {
			continue
		}
		taken[name] = true
		other, err := view.Get(reconcilers.Pods.Key(s.rs.Namespace, name))
		if err != nil {
			return nil, fmt.Errorf("look for pod %s/%s: %w", s.rs.Namespace, name, err)
		}
		if other == nil {
			names = append(names, name)
		}
	}
	return names, nil
}

// pod is one replica. It shares the template: decided commands copy.
func (s *survey) pod(name string) *corev1.Pod {
	template := &s.rs.Spec.Template
	owner := s.owner()
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Name: name, GenerateName: s.rs.Name + "-", Namespace: s.rs.Namespace,
			Labels: template.Labels, Annotations: template.Annotations, Finalizers: template.Finalizers,
			OwnerReferences: []metav1.OwnerReference{owner.Reference()},
		},
		Spec: template.Spec,
	}
}
