package bus

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"segno/events"
	"segno/events/report"
	"segno/proto"
)

func noteOf(obj metav1.Object, reason string) proto.NodeNote {
	resource := podResource
	if _, ok := obj.(*corev1.Node); ok {
		resource = nodeResource
	}
	at := time.Now().UnixNano()
	return proto.NodeNote{
		Key: resource.Key(obj.GetNamespace(), obj.GetName()), UID: string(obj.GetUID()), Reason: reason, Message: "m", Count: 1, First: at, Last: at,
	}
}

// written is what comes through of a report's notes, by reason.
func (w *world) written(link *Link, report proto.Report) []report.Note {
	w.t.Helper()
	reply, err := link.Report(w.t.Context(), report)
	if err != nil || reply.Retry != "" {
		w.t.Fatalf("answered %+v, %v", reply, err)
	}
	synctest.Wait()
	select {
	case notes := <-w.notes:
		return notes
	default:
		return nil
	}
}

func reasons(notes []report.Note) string {
	var out []string
	for _, n := range notes {
		out = append(out, n.Reason)
	}
	return strings.Join(out, " ")
}

func TestN5NodeMayWriteNotesOnlyOfItsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, startServer(t, ServerConfig{}))
		link := w.joinedNode("n1")
		w.joinedNode("n2")
		own := w.boundPod("own", "n1")
		change := func(n proto.NodeNote, change func(*proto.NodeNote)) proto.NodeNote {
			change(&n)
			return n
		}
		good := noteOf(own, "Good")
		config := change(good, func(n *proto.NodeNote) { n.Key.Resource = configMaps })
		evil := []proto.NodeNote{
			noteOf(w.boundPod("foreign", "n2"), "Foreign"), noteOf(w.boundPod("unbound", ""), "Unbound"), noteOf(w.nodeObject("n2"), "Node"), config,
			change(good, func(n *proto.NodeNote) { n.UID, n.Reason = "older", "Older" }),
			change(good, func(n *proto.NodeNote) { n.Key.Name, n.Reason = "unknown", "Unknown" }),
			change(good, func(n *proto.NodeNote) { n.Reason = "two words" }),
			change(good, func(n *proto.NodeNote) { n.Reason = "A" + strings.Repeat("a", 64) }),
			change(good, func(n *proto.NodeNote) { n.Message, n.Reason = strings.Repeat("a", proto.LongestNoteText+1), "Long" }),
			change(good, func(n *proto.NodeNote) { n.Count, n.Reason = 0, "Never" }),
			change(good, func(n *proto.NodeNote) { n.Count, n.Reason = 1<<30, "Often" }),
			change(good, func(n *proto.NodeNote) { n.Container, n.Reason = "other", "Container" }),
		}
		before := w.fold.Position()
		if got := reasons(w.written(link, proto.Report{Notes: append(evil, good)})); got != "Good" {
			t.Errorf("written: %s", got)
		}
		many := make([]proto.NodeNote, 3*proto.MostNodeNotes)
		for i := range many {
			many[i] = noteOf(own, fmt.Sprint("R", i))
		}
		if got := w.written(link, proto.Report{Notes: many}); len(got) != proto.MostNodeNotes {
			t.Errorf("%d notes of one report are written", len(got))
		}
		if w.fold.Position() != before {
			t.Error("notes changed the log of events")
		}
	})
}

func TestP11NotesOfNodesAreMadePlausible(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, startServer(t, ServerConfig{}))
		link := w.joinedNode("n1")
		pod := w.boundPod("web", "n1")
		time.Sleep(time.Hour)
		note := noteOf(pod, "Started")
		note.Container, note.Message = "main", "a\x1b[2Jb\nc\xff"
		note.First, note.Last = 0, time.Now().Add(time.Hour).UnixNano()
		got := w.written(link, proto.Report{Notes: []proto.NodeNote{note, noteOf(w.nodeObject("n1"), "Starting")}, Dropped: 7})
		if reasons(got) != "Started Starting NotesDropped" {
			t.Fatalf("written: %s", reasons(got))
		}
		if n := got[0]; n.Message != "a[2Jb\nc" || !n.First.Equal(pod.CreationTimestamp.Time) || !n.Last.Equal(time.Now()) ||
			n.About.Kind != "Pod" || n.About.FieldPath != "spec.containers{main}" || n.About.UID != pod.UID || n.About.Namespace != "default" {
			t.Errorf("%+v", n)
		}
		if n := got[2]; n.About.Kind != "Node" || n.About.Name != "n1" || !n.Warning || !strings.Contains(n.Message, "7 notes") {
			t.Errorf("%+v", n)
		}
	})
}

// TestP11LastNotesOfAPod come in the report that ends it.
func TestP11LastNotesOfAPod(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, startServer(t, ServerConfig{}))
		link := w.joinedNode("n1")
		w.boundPod("web", "n1")
		w.must(events.Delete{Key: podResource.Key("default", "web")})
		pod := w.pod("web")
		end := phaseOf(pod, corev1.PodSucceeded)
		end.Ended = true
		report := proto.Report{Items: []proto.ReportItem{end}, Notes: []proto.NodeNote{noteOf(pod, "Killing")}}
		if got := reasons(w.written(link, report)); got != "Killing" || w.pod("web") != nil {
			t.Errorf("written: %q, the pod: %v", got, w.pod("web"))
		}
		if got := w.written(link, report); got != nil { // sent again: it is gone
			t.Errorf("written: %s", reasons(got))
		}
	})
}
