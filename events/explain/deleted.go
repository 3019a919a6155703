package explain

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"segno/events"
	"segno/events/taint"
	"segno/proto"
)

// deleted answers with the newest deletion: one that is over, or under way, or
// that of an earlier object of the name.
func (q *query) deleted() error {
	d, err := q.deletionOf(q.Key, q.View.Seq())
	if err != nil {
		return err
	}
	if d == nil {
		q.say("%s exists since %s, and nobody has asked for its deletion.", name(q.Key), q.born(q.newest.Record))
		return nil
	}
	q.answer.Applies = true
	if q.newest.Record.Created > d.request.Seq {
		q.say("%s exists again since %s; an earlier object of the name was deleted before:", name(q.Key), q.born(q.newest.Record))
	}
	by, err := q.blame(d)
	if err != nil {
		return err
	}
	if d.gone != nil {
		if d.gone != d.request && d.gone.Actor.Person() {
			by += fmt.Sprintf(", and %s brought it to its end", asked(d.gone)) // it was forced, or no longer held
		}
		q.say("%s was deleted at %s: %s.", name(q.Key), at(d.gone), by)
	} else {
		q.say("%s is being deleted since %s: %s.", name(q.Key), at(d.request), by)
		if err := q.sayHeld(d.object); err != nil {
			return err
		}
	}
	if d.gone != d.request {
		q.end(d.request, "its deletion was asked for")
	}
	if d.gone != nil {
		q.end(d.gone, "it was gone")
		if err := q.link(d.gone, d.request, "it was asked for"); err != nil {
			return err
		}
	}
	return q.sayRoot(cmp.Or(d.gone, d.request))
}

// born is when a record's object came to be.
func (q *query) born(r *events.Record) string {
	env, err := q.Past.Transaction(r.Created)
	if err != nil || env == nil {
		return r.Created.String() // that it cannot be read is told by whoever needs it
	}
	return at(env)
}

// deletion is the end of an object.
type deletion struct {
	key     proto.ObjectKey
	object  events.Object   // as it was last
	request *proto.Envelope // that asked for it
	gone    *proto.Envelope // with which it was over; nil when it is not. It may be the request.
}

// deletionOf finds the newest deletion of an object up to a sequence; nil when
// there was none.
func (q *query) deletionOf(key proto.ObjectKey, last proto.Seq) (*deletion, error) {
	found, err := q.Past.Versions(key, last, 1)
	if err != nil || len(found) == 0 {
		return nil, err
	}
	v := found[0]
	obj, err := q.decode(v.Record)
	if err != nil {
		return nil, err
	}
	d := &deletion{key: key, object: obj}
	switch {
	case v.Record.Deleted:
		d.gone, d.request = v.Envelope, v.Envelope
		last = v.Record.Seq - 1
	case !requested(obj) && v.Record.Created <= 1:
		return nil, nil
	case !requested(obj):
		return q.deletionOf(key, v.Record.Created-1) // that of an earlier object, if any
	}
	asked, err := q.latest(key, types.UID(v.Record.UID), last, false, requested)
	if err == nil && asked.began != nil {
		d.request = asked.began.Envelope
	}
	return d, err
}

// sayHeld tells what a deletion that is under way waits for.
func (q *query) sayHeld(obj events.Object) error {
	if held := obj.GetFinalizers(); len(held) > 0 {
		q.say("It waits for its finalizers: %s.", strings.Join(held, ", "))
	}
	pod, ok := obj.(*corev1.Pod)
	if !ok || pod.Spec.NodeName == "" {
		return nil
	}
	node, found, err := events.GetAs[*corev1.Node](q.View, nodes.Key("", pod.Spec.NodeName))
	switch {
	case err != nil:
		return err
	case !found:
		q.say("Its node %s is not there any more.", pod.Spec.NodeName)
	case taint.Ready(node) == corev1.ConditionUnknown:
		q.say("Its node %s is silent, and nobody else can end its containers.", pod.Spec.NodeName)
	default:
		q.say("It waits for node %s to end its containers.", pod.Spec.NodeName)
	}
	return nil
}

// blame says who or what deleted an object, and links the request with that.
func (q *query) blame(d *deletion) (string, error) {
	env := d.request
	reason := reasonFor(env, d.key)
	switch {
	case env.Actor.Person():
		return asked(env) + " asked for it", nil
	case env.Actor == "system:nodelife":
		return q.blameNode(d)
	case env.Actor == "system:garbage":
		return q.blameOwner(d)
	case env.Actor == "system:namespace":
		return q.blameEndOf(d, namespaces.Key("", d.key.Namespace), "its namespace %s was deleted")
	case reason == "ScaledDown":
		return q.blameScale(d)
	default:
		return strings.TrimSuffix(fmt.Sprintf("%s did it (%s)", env.Actor, reason), " ()"), nil
	}
}

// blameEndOf blames the newest deletion of another object.
func (q *query) blameEndOf(d *deletion, other proto.ObjectKey, format string) (string, error) {
	text := fmt.Sprintf(format, name(other))
	end, err := q.deletionOf(other, d.request.Seq)
	if err != nil || end == nil {
		return text, err
	}
	return q.blameEnd(d, end, text)
}

// blameEnd blames the deletion of another object.
func (q *query) blameEnd(d, end *deletion, text string) (string, error) {
	first := cmp.Or(end.gone, end.request)
	if end.request.Actor.Person() || end.gone == nil {
		first = end.request // what waits for its dependents is gone after them
	}
	if err := q.link(d.request, first, text); err != nil {
		return "", err
	}
	if end.request.Actor.Person() {
		return text + " by " + asked(end.request), nil
	}
	_, err := q.blame(end) // what led to that in turn
	return text, err
}

// blameOwner blames the newest end of an owner.
func (q *query) blameOwner(d *deletion) (string, error) {
	var newest *deletion
	for _, ref := range d.object.GetOwnerReferences() {
		kind := q.kindOf(ref.APIVersion, ref.Kind)
		if kind == nil {
			continue
		}
		key := kind.Resource.Key(d.key.Namespace, ref.Name)
		if !kind.Namespaced {
			key.Namespace = ""
		}
		end, err := q.deletionOfUID(key, ref.UID, d.request.Seq)
		if err != nil {
			return "", err
		}
		if end != nil && (newest == nil || end.request.Seq >= newest.request.Seq) {
			newest = end
		}
	}
	if newest == nil {
		return "the garbage collector found that its owner is gone", nil
	}
	return q.blameEnd(d, newest, fmt.Sprintf("the garbage collector took it, as its owner %s was deleted", name(newest.key)))
}

// sameName bounds how many objects of one name are looked through for one.
const sameName = 20

// deletionOfUID finds the deletion of one object among those of its name.
func (q *query) deletionOfUID(key proto.ObjectKey, uid types.UID, last proto.Seq) (*deletion, error) {
	for range sameName {
		d, err := q.deletionOf(key, last)
		if err != nil || d == nil || d.object.GetUID() == uid {
			return d, err
		}
		last = d.request.Seq - 1 // of an object before that one
	}
	return nil, nil
}

// kindOf finds the kind of an owner reference, whatever its version.
func (q *query) kindOf(apiVersion, kind string) *events.Kind {
	group, _, grouped := strings.Cut(apiVersion, "/")
	if !grouped {
		group = ""
	}
	for _, k := range q.Table.All() {
		if k.GVK.Group == group && k.GVK.Kind == kind {
			return k
		}
	}
	return nil
}

// blameNode blames a node that was gone, or the taint that drove a pod away.
func (q *query) blameNode(d *deletion) (string, error) {
	pod, ok := d.object.(*corev1.Pod)
	if !ok || pod.Spec.NodeName == "" {
		return "the node's lifecycle took it", nil
	}
	key := nodes.Key("", pod.Spec.NodeName)
	found, err := q.Past.Versions(key, d.request.Seq-1, 1)
	if err != nil {
		return "", err
	}
	if len(found) == 0 || found[0].Record.Deleted {
		return q.blameEndOf(d, key, "its node %s was not there any more")
	}
	obj, err := q.decode(found[0].Record)
	if err != nil {
		return "", err
	}
	cause := drives(obj.(*corev1.Node), pod)
	if cause == nil {
		return fmt.Sprintf("it was evicted from %s", name(key)), nil
	}
	began, err := q.latest(key, obj.GetUID(), d.request.Seq-1, false, as(func(node *corev1.Node) bool {
		return slices.ContainsFunc(node.Spec.Taints, func(t corev1.Taint) bool {
			return t.Key == cause.Key && t.Value == cause.Value && t.Effect == cause.Effect
		})
	}))
	if err != nil || began.began == nil {
		return "", err
	}
	text := fmt.Sprintf("it was evicted from %s, which has the taint %s since %s", name(key), cause.ToString(), at(began.began.Envelope))
	switch cause.Key {
	case corev1.TaintNodeUnreachable:
		text = fmt.Sprintf("it was evicted from %s, which is silent since %s", name(key), at(began.began.Envelope))
	case corev1.TaintNodeNotReady:
		text = fmt.Sprintf("it was evicted from %s, which is not ready since %s", name(key), at(began.began.Envelope))
	}
	return text, q.link(d.request, began.began.Envelope, "the taint "+cause.ToString()+" drives it away")
}

// drives is the taint of a node that a pod has to leave for: the one that it
// does not tolerate for ever, and that is there the longest.
func drives(node *corev1.Node, pod *corev1.Pod) (cause *corev1.Taint) {
	for i := range node.Spec.Taints {
		t := &node.Spec.Taints[i]
		if t.Effect != corev1.TaintEffectNoExecute || staysFor(pod, t) {
			continue
		}
		if cause == nil || (t.TimeAdded != nil && cause.TimeAdded != nil && t.TimeAdded.Before(cause.TimeAdded)) {
			cause = t
		}
	}
	return cause
}

// staysFor tells whether a pod tolerates a taint for ever.
func staysFor(pod *corev1.Pod, t *corev1.Taint) bool {
	ever := false
	for i := range pod.Spec.Tolerations {
		if tol := &pod.Spec.Tolerations[i]; taint.Matches(tol, t) {
			if tol.TolerationSeconds != nil {
				return false
			}
			ever = true
		}
	}
	return ever
}

// blameScale blames the change with which the owner came to want fewer.
func (q *query) blameScale(d *deletion) (string, error) {
	owner := proto.ObjectKey{}
	for _, ref := range d.object.GetOwnerReferences() {
		if kind := q.kindOf(ref.APIVersion, ref.Kind); kind != nil && ref.Controller != nil && *ref.Controller {
			owner = kind.Resource.Key(d.key.Namespace, ref.Name)
		}
	}
	if owner.Name == "" {
		return fmt.Sprintf("%s scaled down", d.request.Actor), nil
	}
	text := fmt.Sprintf("%s had more pods than it wanted", name(owner))
	s, err := q.scaleOf(owner, d.request.Seq-1)
	if err != nil || s.by == nil || s.from == nil || *s.from < *s.to {
		return text, err
	}
	text = fmt.Sprintf("%s was scaled from %d to %d at %s", name(owner), *s.from, *s.to, at(s.by))
	return text, q.link(d.request, s.by, "it is to have fewer pods")
}
