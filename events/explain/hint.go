package explain

import (
	"cmp"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"segno/events/podstate"
)

// proveHints keeps the hints that lead to a moment at which the question applies.
func (q *query) proveHints() error {
	if q.bare {
		q.answer.Hints = nil
		return nil
	}
	var proven []Hint
	for _, hint := range q.answer.Hints {
		view, err := q.Past.At(hint.At)
		if err != nil {
			return err
		}
		if view == nil {
			continue
		}
		then := q.Ask
		then.View, then.bare = view, true
		answer, err := Explain(then)
		if err != nil {
			return err
		}
		if answer != nil && answer.Applies {
			proven = append(proven, hint)
		}
	}
	q.answer.Hints = proven
	return nil
}

// hintedPods is how many pods of an owner are looked back at for a hint, the newest.
const hintedPods = 5

// lastPod points at the newest time at which one of some pods was so.
func (q *query) lastPod(list []*corev1.Pod, what string, so func(*corev1.Pod) bool) error {
	if q.bare {
		return nil
	}
	list = slices.SortedStableFunc(slices.Values(list), func(a, b *corev1.Pod) int {
		return cmp.Or(b.CreationTimestamp.Compare(a.CreationTimestamp.Time), cmp.Compare(a.Name, b.Name))
	})
	var newest run
	var of string
	for _, pod := range list[:min(hintedPods, len(list))] {
		key := pods.Key(pod.Namespace, pod.Name)
		r, err := q.latest(key, pod.UID, q.View.Seq(), true, as(so))
		if err != nil {
			return err
		}
		if r.began == nil || r.ended == nil {
			continue
		}
		if newest.ended == nil || r.ended.Record.Seq > newest.ended.Record.Seq {
			newest, of = r, name(key)
		}
	}
	if newest.ended != nil {
		q.hintAt(newest, of+" "+what)
	}
	return nil
}

// otherwise names the questions that do apply to pods of which none is pending.
func (q *query) otherwise(list []*corev1.Pod) {
	unready, restarted := 0, 0
	for _, pod := range list {
		if podstate.Active(pod) && isUnready(pod) {
			unready++
		}
		if restartsOf(pod) > 0 {
			restarted++
		}
	}
	if unready > 0 {
		q.say("%s: segno why %s %s tells why.", q.some(unready, verb{"is not ready", "are not ready"}), short(q.Key), NotReady)
	}
	if restarted > 0 {
		q.say("%s: segno why %s %s tells how they ended.", q.some(restarted, verb{"has restarted containers", "have restarted containers"}), short(q.Key), Restarted)
	}
}

// some is a number of pods with what they are: the pod itself, where it is asked about.
func (q *query) some(n int, what verb) string {
	if q.Key.Resource == pods {
		return "It " + what.one
	}
	return counted(n, "pod") + " of it " + what.of(n)
}
