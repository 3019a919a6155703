package history

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"segno/events"
	"segno/events/kinds"
	"segno/proto"
)

// TestE5ReasonsInTheStatus: a revision has the reasons that its status came to
// give, and not those that it gave before; the last report of what ended counts.
func TestE5ReasonsInTheStatus(t *testing.T) {
	table := kinds.Table()
	key := proto.Resource{Name: "pods"}.Key("default", "p")
	var versions []Version // newest first
	tell := func(fact string, section proto.Section, state corev1.ContainerState, more ...proto.Event) {
		pod := corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Name: "p", Namespace: "default", UID: "u"},
			Status:     corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{{Name: "c", State: state}}},
		}
		is, err := table.Of(key.Resource).Encode(&pod)
		if err != nil {
			t.Fatal(err)
		}
		ev := proto.Event{Kind: fact, Reason: fact, Key: key, UID: "u", Section: section, Encoding: proto.EncodingProtobuf, Body: is.Status}
		if section == proto.SectionSpec {
			ev.Body = is.Spec
		}
		env := &proto.Envelope{Seq: proto.Seq(len(versions) + 1), At: time.Unix(1, 0), Actor: "node:n", Events: append([]proto.Event{ev}, more...)}
		var record *events.Record
		if len(versions) > 0 {
			record = versions[0].Record
		}
		for i := range env.Events {
			record = events.Apply(record, &env.Events[i], env.Seq, env.At)
		}
		versions = append([]Version{{Record: record, Envelope: env}}, versions...)
	}
	waits := func(reason, message string) corev1.ContainerState {
		return corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reason, Message: message}}
	}
	tell("PodCreated", proto.SectionSpec, corev1.ContainerState{})
	tell("ContainerDied", proto.SectionStatus, waits("CrashLoopBackOff", "1s"))
	tell("PodStatusChanged", proto.SectionStatus, waits("CrashLoopBackOff", "2s"))
	tell("PodStatusChanged", proto.SectionStatus, waits("Other", "no CrashLoopBackOff"))
	tell("PodFailed", proto.SectionStatus, corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{Reason: "OOMKilled"}},
		proto.Event{Kind: "PodDeleted", Reason: "PodEnded", Key: key, UID: "u", Section: proto.SectionGone})

	for reason, want := range map[string]proto.Seq{"CrashLoopBackOff": 2, "Other": 4, "OOMKilled": 5, "PodEnded": 5, "PodCreated": 1, "CrashLoop": 0, "2s": 0} {
		filter := Filter{Reason: reason}
		found, err := Revisions(table, proto.StreamEvents, versions, false, filter)
		if err != nil {
			t.Fatal(err)
		}
		if want == 0 && len(found) > 0 || want > 0 && (len(found) != 1 || found[0].Seq != want) {
			t.Errorf("%s: found %d, want %s", reason, len(found), want)
		}
		for i, v := range versions {
			step := Step{Version: v}
			if i < len(versions)-1 {
				step.Before = versions[i+1].Record
			}
			_, kept, err := LineOf(table, proto.StreamEvents, step, filter)
			wanted := false
			for j := range v.Envelope.Events {
				wanted = wanted || filter.Wants(v.Envelope, &v.Envelope.Events[j])
			}
			if err != nil || kept != (v.Record.Seq == want) || kept && !wanted {
				t.Errorf("%s at %s: kept %t, wanted %t, %v", reason, v.Record.Seq, kept, wanted, err)
			}
		}
	}
}
