package bus

import (
	"context"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"

	corev1 "k8s.io/api/core/v1"

	"segno/events"
	"segno/proto"
)

// NodeNote is a line for people that a node may write: it is about the node
// itself or one of its pods, and no longer or older than it may be.
type NodeNote struct {
	About       corev1.ObjectReference
	Warning     bool
	Reason      string
	Message     string
	Similar     bool // stands for many that differ only in their message
	Count       int32
	First, Last time.Time
}

// noteReason is what a reason looks like, of a note and of a status.
var noteReason = regexp.MustCompile(`^[A-Z][A-Za-z0-9]{0,63}$`)

// mostRepeats is how often anything may have happened between two reports.
const mostRepeats = 100_000

// notesPatience bounds how long a node's notes may hold up its next ones.
const notesPatience = 15 * time.Second

// notes answers those of a report's notes that the node may write. What is
// about an object that is gone is moot; what it may not write is not written,
// and nothing else comes of it.
func (in *Intake) notes(node proto.NodeName, report *proto.Report, now time.Time) []NodeNote {
	if in.cfg.Notes == nil {
		return nil
	}
	view := in.cfg.Cluster.View()
	var out []NodeNote
	var refused error
	for i := range report.Notes[:min(len(report.Notes), proto.MostNodeNotes)] {
		said := &report.Notes[i]
		object, path, err := subjectOf(view, node, said)
		if err == nil && object != nil {
			err = plausibleNote(said)
		}
		switch {
		case err != nil:
			refused = err
		case object != nil:
			out = append(out, noteAbout(object, path, said, now))
		}
	}
	if refused != nil {
		in.log.Warn("notes of a node are not written, the last one because", "node", node, "error", refused)
	}
	return in.lost(view, node, report.Dropped, out, now)
}

// lost adds what the node had no room for.
func (in *Intake) lost(view events.View, node proto.NodeName, dropped uint64, to []NodeNote, now time.Time) []NodeNote {
	if dropped == 0 {
		return to
	}
	own, found, err := events.GetAs[*corev1.Node](view, nodeResource.Key("", string(node)))
	if err != nil || !found {
		return to
	}
	said := proto.NodeNote{
		Key: nodeResource.Key("", string(node)), Warning: true, Reason: "NotesDropped", Similar: true, Count: 1, First: now.UnixNano(), Last: now.UnixNano(),
		Message: fmt.Sprintf("The node had no room for %d notes about its pods while the control plane was out of reach", dropped),
	}
	return append(to, noteAbout(own, "", &said, now))
}

// subjectOf is the object that a note is about, nil when it is gone, and which
// part of it.
func subjectOf(view events.View, node proto.NodeName, said *proto.NodeNote) (object events.Object, path string, err error) {
	mine := said.Key == nodeResource.Key("", string(node))
	if !mine && said.Key.Resource != podResource {
		return nil, "", notIts(node, said.Key)
	}
	object, err = view.Get(said.Key)
	if err != nil || object == nil || string(object.GetUID()) != said.UID {
		return nil, "", err
	}
	pod, ok := object.(*corev1.Pod)
	if !ok {
		return object, "", nil
	}
	if pod.Spec.NodeName != string(node) {
		return nil, "", notIts(node, said.Key)
	}
	if said.Container == "" {
		return object, "", nil
	}
	named := func(c corev1.Container) bool { return c.Name == said.Container }
	switch {
	case slices.ContainsFunc(pod.Spec.Containers, named):
		return object, "spec.containers{" + said.Container + "}", nil
	case slices.ContainsFunc(pod.Spec.InitContainers, named):
		return object, "spec.initContainers{" + said.Container + "}", nil
	default:
		return nil, "", fmt.Errorf("note of node %s about %s: it has no container %.63q", node, said.Key, said.Container)
	}
}

// plausibleNote finds what only a hostile node would say.
func plausibleNote(said *proto.NodeNote) error {
	switch {
	case !noteReason.MatchString(said.Reason):
		return fmt.Errorf("note about %s: the reason %.64q is not one CamelCase word", said.Key, said.Reason)
	case len(said.Message) > proto.LongestNoteText:
		return fmt.Errorf("note about %s: its message has %d bytes, at most %d are allowed", said.Key, len(said.Message), proto.LongestNoteText)
	case said.Count < 1 || said.Count > mostRepeats:
		return fmt.Errorf("note about %s: it says that it happened %d times", said.Key, said.Count)
	default:
		return nil
	}
}

// noteAbout is the note with what the control plane knows better: nothing
// happened to an object before it was there, or later than now.
func noteAbout(object events.Object, path string, said *proto.NodeNote, now time.Time) NodeNote {
	kind := "Node"
	if _, ok := object.(*corev1.Pod); ok {
		kind = "Pod"
	}
	earliest := object.GetCreationTimestamp().Time
	at := func(nanoseconds int64, from time.Time) time.Time {
		t := time.Unix(0, max(nanoseconds, math.MinInt64/2))
		switch {
		case t.After(now):
			return now
		case t.Before(from):
			return from
		default:
			return t
		}
	}
	first := at(said.First, earliest)
	return NodeNote{
		About: corev1.ObjectReference{
			APIVersion: "v1", Kind: kind, Namespace: object.GetNamespace(), Name: object.GetName(), UID: object.GetUID(), FieldPath: path,
		},
		Warning: said.Warning, Reason: said.Reason, Message: printable(said.Message), Similar: said.Similar,
		Count: said.Count, First: first, Last: at(said.Last, first),
	}
}

// printable leaves out what would move a reader's terminal.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if r != '\n' && r != '\t' && unicode.IsControl(r) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(text, ""))
}

// tellNotes has notes written, in the order of the node's reports. They are
// for people and nothing waits for them.
func (in *Intake) tellNotes(ctx context.Context, node proto.NodeName, notes []NodeNote) {
	if len(notes) == 0 {
		return
	}
	bytes := 0
	for i := range notes {
		bytes += len(notes[i].Message)
	}
	taken := in.telling.put(node, bytes, func() {
		if ctx.Err() != nil {
			return
		}
		ctx, cancel := context.WithTimeout(ctx, notesPatience)
		defer cancel()
		if err := in.cfg.Notes(ctx, node, notes); err != nil {
			in.log.Warn("notes of a node are lost", "node", node, "notes", len(notes), "error", err)
		}
	})
	if !taken {
		in.log.Warn("notes of a node are lost: too many wait", "node", node, "notes", len(notes))
	}
}
