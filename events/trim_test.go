package events_test

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"segno/events"
)

// TestE10Trim checks that a part of a message is that part, lengths of more than
// one byte included, and that bytes without sense are told.
func TestE10Trim(t *testing.T) {
	whole := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "web", Namespace: "shop", Labels: map[string]string{"a": strings.Repeat("x", 300)}},
		Spec:       corev1.PodSpec{NodeName: "n1", SecurityContext: &corev1.PodSecurityContext{RunAsNonRoot: new(bool), FSGroup: new(int64)}},
	}
	body, err := whole.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	part := &events.Part{}
	part.Field(1).Field(11).Fill()          // metadata.labels
	part.Field(2).Field(14).Field(3).Fill() // spec.securityContext.runAsNonRoot
	got, ok := part.Trim([]byte("front"), body)
	if !ok || string(got[:5]) != "front" {
		t.Fatalf("got %q, %v", got, ok)
	}
	var left corev1.Pod
	if err := left.Unmarshal(got[5:]); err != nil {
		t.Fatal(err)
	}
	want := corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Labels: whole.Labels},
		Spec:       corev1.PodSpec{SecurityContext: &corev1.PodSecurityContext{RunAsNonRoot: new(bool)}},
	}
	if left.String() != want.String() {
		t.Errorf("got %s, want %s", &left, &want)
	}
	if out, ok := part.Trim(nil, body[:len(body)-1]); ok {
		t.Errorf("of a body that is cut off: %q", out)
	}
}
