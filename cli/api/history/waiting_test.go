package history

import (
	"testing"

	corev1 "k8s.io/api/core/v1"

	"segno/proto"
)

// TestE8WaitingTellsWhatFor: the trouble, not that a container waits.
func TestE8WaitingTellsWhatFor(t *testing.T) {
	wait := func(reason string) corev1.ContainerStatus {
		return corev1.ContainerStatus{State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reason}}}
	}
	pod := corev1.Pod{Status: corev1.PodStatus{
		InitContainerStatuses: []corev1.ContainerStatus{wait("ErrImagePull")},
		ContainerStatuses:     []corev1.ContainerStatus{wait("PodInitializing"), wait("ErrImagePull"), wait("CrashLoopBackOff")},
	}}
	body, err := pod.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	ev := proto.Event{Kind: "ContainerWaiting", Reason: "ContainerWaiting", Encoding: proto.EncodingProtobuf, Body: body}
	if got := eventOf(&ev).Detail; got != "ErrImagePull,CrashLoopBackOff" {
		t.Errorf("got %q", got)
	}
	ev.Kind = "PodReady"
	if got := eventOf(&ev).Detail; got != "" {
		t.Errorf("of another event: %q", got)
	}
}
