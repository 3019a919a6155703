package explain

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"segno/events"
	"segno/events/podstate"
	"segno/proto"
)

// shownPods is how many pods of one owner are explained; the others are counted.
const shownPods = 5

// replicasOf is how many pods an object wants, nil when it does not say.
func replicasOf(obj events.Object) *int32 {
	one := int32(1)
	switch o := obj.(type) {
	case *appsv1.Deployment:
		return cmp.Or(o.Spec.Replicas, &one)
	case *appsv1.ReplicaSet:
		return cmp.Or(o.Spec.Replicas, &one)
	case *appsv1.StatefulSet:
		return cmp.Or(o.Spec.Replicas, &one)
	default:
		return nil
	}
}

// lacking tells whether an object has fewer pods ready than it wants.
func lacking(obj events.Object) bool {
	wants := replicasOf(obj)
	if wants == nil {
		return false
	}
	switch o := obj.(type) {
	case *appsv1.Deployment:
		return o.Status.ReadyReplicas < *wants
	case *appsv1.ReplicaSet:
		return o.Status.ReadyReplicas < *wants
	case *appsv1.StatefulSet:
		return o.Status.ReadyReplicas < *wants
	default:
		return false
	}
}

// family are the pods that an object owns, itself or through what it owns, and
// the sets in between.
type family struct {
	sets []*appsv1.ReplicaSet
	pods []*corev1.Pod
}

func (q *query) familyOf(obj events.Object) (f family, err error) {
	owners := []types.UID{obj.GetUID()}
	if f.sets, err = events.ListAs[*appsv1.ReplicaSet](q.View, events.Query{
		Resource: replicaSets, Namespace: obj.GetNamespace(), Owner: obj.GetUID(),
	}); err != nil {
		return f, err
	}
	for _, set := range f.sets {
		owners = append(owners, set.UID)
	}
	for _, owner := range owners {
		own, err := events.ListAs[*corev1.Pod](q.View, events.Query{Resource: pods, Namespace: obj.GetNamespace(), Owner: owner})
		if err != nil {
			return f, err
		}
		f.pods = append(f.pods, own...)
	}
	return f, nil
}

// verb is what is said of one pod, and of several.
type verb struct{ one, many string }

func (v verb) of(n int) string {
	if n == 1 {
		return v.one
	}
	return v.many
}

// group answers for an object that makes pods by those of its pods that are so.
// explained adds what is to be said of one pod.
func (q *query) group(obj events.Object, state verb, so func(*corev1.Pod) bool, explained func(*corev1.Pod) error) error {
	f, err := q.familyOf(obj)
	if err != nil {
		return err
	}
	active := slices.DeleteFunc(slices.Clone(f.pods), func(p *corev1.Pod) bool { return !podstate.Active(p) })
	chosen := slices.DeleteFunc(slices.Clone(active), func(p *corev1.Pod) bool { return !so(p) })
	missing := 0
	if wants := replicasOf(obj); wants != nil {
		missing = int(*wants) - len(active)
	}
	if q.Question == Restarted {
		missing = 0
	}
	if len(chosen) == 0 && missing <= 0 {
		return q.groupWell(obj, state, active, so)
	}
	q.answer.Applies = true
	if len(chosen) > 0 {
		q.say("%s %s.", q.share(len(chosen), len(active)), state.of(len(chosen)))
	}
	if missing > 0 {
		if err := q.sayMissing(obj, f.sets, missing); err != nil {
			return err
		}
	}
	slices.SortStableFunc(chosen, func(a, b *corev1.Pod) int { return cmp.Compare(a.Name, b.Name) })
	for _, pod := range chosen[:min(shownPods, len(chosen))] {
		if err := explained(pod); err != nil {
			return err
		}
	}
	if left := len(chosen) - shownPods; left > 0 {
		q.say("%s more are left out here: segno why pod/NAME %s tells of each.", counted(left, "pod"), q.Question)
	}
	return nil
}

// share is how many of the object's pods are meant.
func (q *query) share(n, of int) string {
	if of == 1 {
		return "The only pod of " + name(q.Key)
	}
	return fmt.Sprintf("%d of the %s of %s", n, counted(of, "pod"), name(q.Key))
}

// groupWell answers that no pod is so, and when that was otherwise.
func (q *query) groupWell(obj events.Object, state verb, active []*corev1.Pod, so func(*corev1.Pod) bool) error {
	switch {
	case len(active) == 0 && (replicasOf(obj) == nil || *replicasOf(obj) > 0):
		q.say("%s has no pods that are not over.", name(q.Key))
	case len(active) == 0:
		if err := q.sayNone(); err != nil {
			return err
		}
	default:
		q.say("No pod of %s %s (it has %d).", name(q.Key), state.one, len(active))
	}
	if q.Question == Restarted {
		return nil
	}
	if q.Question == Pending {
		q.otherwise(active)
	}
	if len(active) > 0 {
		return q.lastPod(active, strings.Replace(state.one, "is", "was", 1), so)
	}
	return q.lastTime(q.Key, obj.GetUID(), "It had fewer ready pods than it wants", lacking)
}

// sayMissing tells why there are fewer pods than wanted: what was refused, or
// that it is still to come.
func (q *query) sayMissing(obj events.Object, sets []*appsv1.ReplicaSet, missing int) error {
	if set, ok := obj.(*appsv1.ReplicaSet); ok {
		sets = append(slices.Clip(sets), set)
	}
	for _, set := range sets {
		i := slices.IndexFunc(set.Status.Conditions, func(c appsv1.ReplicaSetCondition) bool {
			return c.Type == appsv1.ReplicaSetReplicaFailure && c.Status == corev1.ConditionTrue
		})
		if i < 0 {
			continue
		}
		c := set.Status.Conditions[i]
		key := replicaSets.Key(set.Namespace, set.Name)
		r, err := q.since(key, set.UID, as(func(set *appsv1.ReplicaSet) bool {
			return slices.ContainsFunc(set.Status.Conditions, func(c appsv1.ReplicaSetCondition) bool {
				return c.Type == appsv1.ReplicaSetReplicaFailure && c.Status == corev1.ConditionTrue
			})
		}))
		if err != nil {
			return err
		}
		if r != nil {
			q.end(r.began.Envelope, colon(c.Reason, c.Message))
		}
		q.say("%s wanted cannot be made: %s.", counted(missing, "pod"), strings.TrimSuffix(colon(name(key), c.Reason, c.Message), "."))
		return nil
	}
	q.say("%s of %s %s not there yet.", counted(missing, "wanted pod"), name(q.Key), isAre(missing))
	if len(q.answer.Ends) == 0 {
		r, err := q.since(q.Key, obj.GetUID(), func(obj events.Object) bool { return lacking(obj) })
		if err != nil || r == nil {
			return err
		}
		q.end(r.began.Envelope, "it has fewer ready pods than it wants since then")
	}
	return nil
}

// lastTime points at the newest time at which something was so.
func (q *query) lastTime(key proto.ObjectKey, uid types.UID, what string, so func(events.Object) bool) error {
	r, err := q.latest(key, uid, q.View.Seq(), true, so)
	if err == nil && r.began != nil {
		q.hintAt(r, what)
	}
	return err
}

// hintAt points at a run that is over.
func (q *query) hintAt(r run, what string) {
	from := "from"
	if !r.whole {
		from = "from before"
	}
	text := fmt.Sprintf("%s %s %s", what, from, at(r.began.Envelope))
	moment := r.began.Record.Seq
	if r.ended != nil {
		text += " to " + at(r.ended.Envelope)
		moment = r.ended.Record.Seq - 1
	}
	q.hint(moment, "%s", text)
}

// sayWell says since when an object is well, and when it last was not.
func (q *query) sayWell(uid types.UID, is, was string, ill func(events.Object) bool) error {
	r, err := q.latest(q.Key, uid, q.View.Seq(), true, ill)
	if err != nil || r.ended == nil {
		return err
	}
	since := "since"
	if r.began == nil && !r.whole {
		since = "since before"
	}
	q.say("%s %s %s %s.", name(q.Key), is, since, at(r.ended.Envelope))
	if r.began != nil {
		q.hintAt(r, was)
	}
	return nil
}
