package reconcilers

import (
	"encoding/hex"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"segno/events"
	"segno/proto"
)

// Note is a line for people about one object. It becomes a Kubernetes Event;
// the same line again about the same object only counts that one up.
type Note struct {
	About   corev1.ObjectReference
	Warning bool
	Reason  string // one CamelCase word
	Message string
	Count   int32  // how often it happened; 0 is once
	From    string // the component that says so; default: <reconciler>-controller
	Host    string // the node on which it does; "" is none
	// Similar notes differ only in their message: they are one, with the newest.
	Similar bool
	// First and Last say when it happened; zero is now.
	First, Last time.Time
	// Needs, when set, is an object that a command of the same decision is
	// about: the note is told only when that command was accepted.
	Needs proto.ObjectKey
}

// About refers to an object of the given kind. (Objects that come out of a view
// do not carry their kind.)
func About(kind schema.GroupVersionKind, obj events.Object) corev1.ObjectReference {
	version, name := kind.ToAPIVersionAndKind()
	return corev1.ObjectReference{
		APIVersion: version, Kind: name,
		Namespace: obj.GetNamespace(), Name: obj.GetName(), UID: obj.GetUID(),
	}
}

// longestNoteSubject leaves room in a note's name for its hash.
const longestNoteSubject = 253 - 1 - 16

// key is where the note is kept: its name follows from what it says, so that
// the same note again finds the one before.
func (n *Note) key() proto.ObjectKey {
	message := n.Message
	if n.Similar {
		message = similar
	}
	parts := []any{n.From, n.About.Kind, n.About.Namespace, n.About.Name, n.About.UID, n.Warning, n.Reason, message}
	if n.About.FieldPath != "" {
		parts = append(parts, n.About.FieldPath)
	}
	sum := digest(parts...)
	subject := n.About.Name
	if len(subject) > longestNoteSubject {
		subject = subject[:longestNoteSubject]
	}
	namespace := n.About.Namespace
	if namespace == "" {
		namespace = metav1.NamespaceDefault
	}
	return Events.Key(namespace, subject+"."+hex.EncodeToString(sum[:8]))
}

// Told tells whether the note was told already, since a time: it needs a From.
func (n *Note) Told(view events.View, since time.Time) (bool, error) {
	key := n.key()
	found, ok, err := events.GetAs[*corev1.Event](view, key)
	if err != nil {
		return false, fmt.Errorf("look for note %s: %w", key, err)
	}
	return ok && !found.LastTimestamp.Time.Before(since.Truncate(time.Second)), nil
}

// similar is how the message of a note begins that stands for many.
const similar = "(combined from similar events)"

// text is the message that people see.
func (n *Note) text() string {
	if n.Similar {
		return similar + ": " + n.Message
	}
	return n.Message
}

// happened fills in the times that were left out.
func (n *Note) happened(at time.Time) {
	if n.First.IsZero() {
		n.First = at
	}
	if n.Last.IsZero() {
		n.Last = at
	}
}

// times is Count with its default.
func (n *Note) times() int32 { return max(1, n.Count) }

// object is the Event that a first note makes.
func (n *Note) object(key proto.ObjectKey) *corev1.Event {
	kind := corev1.EventTypeNormal
	if n.Warning {
		kind = corev1.EventTypeWarning
	}
	return &corev1.Event{
		ObjectMeta:     metav1.ObjectMeta{Namespace: key.Namespace, Name: key.Name},
		InvolvedObject: n.About,
		Reason:         n.Reason, Message: n.text(), Type: kind,
		Source:         corev1.EventSource{Component: n.From, Host: n.Host},
		FirstTimestamp: Stamp(n.First), LastTimestamp: Stamp(n.Last),
		Count:               n.times(),
		ReportingController: n.From, ReportingInstance: n.Host,
	}
}

// Tell decides on notes whose From is set: new ones are created, and ones
// that are there already are counted up. The actions have one order whatever
// that of the notes. A namespace that is going, or gone, takes no notes: they
// would keep it, or outlive it.
func Tell(view events.View, notes []Note, at time.Time) ([]events.Action, error) {
	merged := map[proto.ObjectKey]Note{}
	for _, n := range notes {
		key := n.key()
		n.Count = n.times()
		n.happened(at)
		if same, ok := merged[key]; ok {
			n.Count += same.Count
			n.First = same.First
		}
		merged[key] = n
	}
	actions := make([]events.Action, 0, len(merged))
	open := map[string]bool{}
	for _, key := range slices.SortedFunc(maps.Keys(merged), events.CompareKeys) {
		n := merged[key]
		if _, known := open[key.Namespace]; !known {
			takes, err := takesNotes(view, key.Namespace)
			if err != nil {
				return nil, err
			}
			open[key.Namespace] = takes
		}
		if !open[key.Namespace] {
			continue
		}
		found, ok, err := events.GetAs[*corev1.Event](view, key)
		if err != nil {
			return nil, fmt.Errorf("look for note %s: %w", key, err)
		}
		if !ok {
			uid := UID("note", key, at.UnixNano())
			actions = append(actions, events.Create{Key: key, Object: n.object(key), UID: uid})
			continue
		}
		again := events.Copy(found)
		again.Count = int32(min(int64(again.Count)+int64(n.Count), math.MaxInt32))
		again.Message, again.LastTimestamp = n.text(), Stamp(n.Last)
		actions = append(actions, events.Update{Key: key, Object: again})
	}
	return actions, nil
}

// takesNotes tells whether a namespace is there to stay.
func takesNotes(view events.View, namespace string) (bool, error) {
	ns, err := view.Get(Namespaces.Key("", namespace))
	if err != nil {
		return false, fmt.Errorf("read namespace %s for a note: %w", namespace, err)
	}
	return ns != nil && ns.GetDeletionTimestamp() == nil, nil
}
