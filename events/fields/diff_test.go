package fields

import (
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"segno/events"
)

// TestDiff compares pods field by field.
func TestDiff(t *testing.T) {
	pod := func(change func(*corev1.Pod)) *corev1.Pod {
		p := &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Name: "p", ResourceVersion: "1", Labels: map[string]string{"a": "1", "x.y/z": "2"}, Finalizers: []string{"f"}},
			Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "a", Image: "i:1"}, {Name: "b", Image: "j:1"}}},
			Status:     corev1.PodStatus{Conditions: []corev1.PodCondition{{Type: "Ready", Status: "False"}}},
		}
		if change != nil {
			change(p)
		}
		return p
	}
	tests := []struct {
		name   string
		change func(*corev1.Pod)
		want   string
	}{
		{"nothing", nil, ""},
		{"bookkeeping", func(p *corev1.Pod) { p.ResourceVersion = "2"; p.Generation = 7 }, ""},
		{"a field", func(p *corev1.Pod) { p.Spec.NodeName = "n" }, `spec.nodeName:+"n"`},
		{"an element by its name", func(p *corev1.Pod) { p.Spec.Containers[1].Image = "j:2" }, `spec.containers[b].image:"j:1"→"j:2"`},
		{"order alone", func(p *corev1.Pod) {
			p.Spec.Containers[0], p.Spec.Containers[1] = p.Spec.Containers[1], p.Spec.Containers[0]
		}, ""},
		{"an element less", func(p *corev1.Pod) { p.Spec.Containers = p.Spec.Containers[:1] },
			`spec.containers[b].image:-"j:1" spec.containers[b].name:-"b"`},
		{"a condition by its type", func(p *corev1.Pod) { p.Status.Conditions[0].Status = "True" }, `status.conditions[Ready].status:"False"→"True"`},
		{"a key with dots", func(p *corev1.Pod) { p.Labels["x.y/z"] = "3" }, `metadata.labels[x.y/z]:"2"→"3"`},
		{"a key less", func(p *corev1.Pod) { delete(p.Labels, "a") }, `metadata.labels.a:-"1"`},
		{"a list of texts, whole", func(p *corev1.Pod) { p.Finalizers = []string{"f", "g"} }, `metadata.finalizers:["f"]→["f","g"]`},
		{"a list of texts gone", func(p *corev1.Pod) { p.Finalizers = nil }, `metadata.finalizers:-["f"]`},
		{"a large number", func(p *corev1.Pod) { n := int64(1) << 60; p.Spec.ActiveDeadlineSeconds = &n }, `spec.activeDeadlineSeconds:+1152921504606846976`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := Diff(pod(nil), pod(test.change))
			if err != nil {
				t.Fatal(err)
			}
			if text := show(got); text != test.want {
				t.Errorf("got %s, want %s", text, test.want)
			}
		})
	}
	var none events.Object
	all, err := Diff(none, pod(nil))
	if err != nil || !strings.Contains(show(all), `spec.containers[a].image:+"i:1"`) {
		t.Errorf("a new object: %v %s", err, show(all))
	}
	if back, err := Diff(pod(nil), none); err != nil || len(back) != len(all) {
		t.Errorf("an object that is gone: %v %s", err, show(back))
	}
}

func show(changes []Change) string {
	var out []string
	for _, c := range changes {
		switch {
		case c.Old == nil:
			out = append(out, fmt.Sprintf("%s:+%s", c.Path, c.New))
		case c.New == nil:
			out = append(out, fmt.Sprintf("%s:-%s", c.Path, c.Old))
		default:
			out = append(out, fmt.Sprintf("%s:%s→%s", c.Path, c.Old, c.New))
		}
	}
	return strings.Join(out, " ")
}
