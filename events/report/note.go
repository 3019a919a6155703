package report

import (
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

// Note is a line for people that a node may write: it is about the node
// itself or one of its pods, and no longer or older than it may be.
type Note struct {
	About       corev1.ObjectReference
	Warning     bool
	Reason      string
	Message     string
	Similar     bool // stands for many that differ only in their message
	Count       int32
	First, Last time.Time
}

// wordy is what a reason looks like, of a note and of a status.
var wordy = regexp.MustCompile(`^[A-Z][A-Za-z0-9]{0,63}$`)

// Reason is a node's reason for a status, or none when it is not one: it would
// stay in the log for ever.
func Reason(reason string) string {
	if !wordy.MatchString(reason) {
		return ""
	}
	return reason
}

// mostRepeats is how often anything may have happened between two reports.
const mostRepeats = 100_000

// Notes answers those of a report's notes that the node may write, and why others
// are not, if any. What is about an object that is gone is moot; what it may not
// write is not written, and nothing else comes of it.
func Notes(view events.View, node proto.NodeName, report *proto.Report, now time.Time) (out []Note, refused error) {
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
	return lost(view, node, report.Dropped, out, now), refused
}

// lost adds what the node had no room for.
func lost(view events.View, node proto.NodeName, dropped uint64, to []Note, now time.Time) []Note {
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
		return nil, "", NotIts(node, said.Key)
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
		return nil, "", NotIts(node, said.Key)
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
	case !wordy.MatchString(said.Reason):
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
func noteAbout(object events.Object, path string, said *proto.NodeNote, now time.Time) Note {
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
	return Note{
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
