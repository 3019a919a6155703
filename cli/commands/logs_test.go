package commands

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// TestP11LogsComeFromAPodThatStays: an old pod that is on its way out has been
// ready longest.
func TestP11LogsComeFromAPodThatStays(t *testing.T) {
	start := metav1.NewTime(time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC))
	pod := func(name string, phase corev1.PodPhase, age time.Duration, deleted bool) corev1.Pod {
		since := metav1.NewTime(start.Add(-age))
		p := corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Name: name, CreationTimestamp: since},
			Spec:       corev1.PodSpec{NodeName: "n"}, Status: corev1.PodStatus{Phase: phase},
		}
		if phase == corev1.PodRunning {
			p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue, LastTransitionTime: since}}
		}
		if deleted {
			p.DeletionTimestamp = &start
		}
		return p
	}
	old, pending, young := pod("old", corev1.PodRunning, time.Hour, true), pod("pending", corev1.PodPending, time.Minute, false), pod("young", corev1.PodRunning, time.Minute, false)
	if got := staying([]corev1.Pod{old, pending, young}); got == nil || got.Name != "young" {
		t.Errorf("got %v", got)
	}
	if got := staying([]corev1.Pod{old}); got != nil {
		t.Errorf("nothing stays: %v", got.Name)
	}
}

// TestP11OneErrorIsEnough: kubectl says it twice.
func TestP11OneErrorIsEnough(t *testing.T) {
	for text, want := range map[string]string{
		`error: error from server (NotFound): pods "nope" not found`: `Error from server (NotFound): pods "nope" not found`,
		"error: no such flag": "error: no such flag",
	} {
		if got := once(text); got != want {
			t.Errorf("%q: %q", text, got)
		}
	}
}
