package scheduler

import (
	"math"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Requests that add up to more than can be counted do not make room.
func TestN4HugeRequestsMakeNoRoom(t *testing.T) {
	huge := *resource.NewQuantity(math.MaxInt64, resource.DecimalSI)
	all := corev1.ResourceList{
		corev1.ResourceCPU: *resource.NewMilliQuantity(math.MaxInt64, resource.DecimalSI), corev1.ResourceMemory: huge,
		corev1.ResourceEphemeralStorage: huge, "example.com/thing": huge, corev1.ResourcePods: resource.MustParse("110"),
	}
	n := newNode(&corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "n1"}, Status: corev1.NodeStatus{Allocatable: all}})
	container := corev1.Container{Name: "c", Resources: corev1.ResourceRequirements{Requests: all}}
	pod := &corev1.Pod{Spec: corev1.PodSpec{Containers: []corev1.Container{container, container}}}
	twice := demandOf(pod)
	for what, amount := range map[string]int64{
		"cpu": twice.cpu, "memory": twice.memory, "storage": twice.storage, "thing": twice.more["example.com/thing"], "guess": twice.cpuGuess,
	} {
		if amount != math.MaxInt64 {
			t.Errorf("two containers want %d of %s", amount, what)
		}
	}
	best := score(n, &demand{}, "", 0)
	if best < emptyNode*9/10 {
		t.Errorf("an empty node of any size scores %d of %d", best, emptyNode)
	}
	n.take(&twice, "")
	n.take(&twice, "")
	one := demandOf(&corev1.Pod{Spec: corev1.PodSpec{Containers: []corev1.Container{container}}})
	if n.fits(&one) || n.taken.memory != math.MaxInt64 {
		t.Errorf("a full node has room: %d of memory is taken", n.taken.memory)
	}
	if now := score(n, &one, "", 0); now >= best {
		t.Errorf("a full node scores %d, an empty one %d", now, best)
	}
}
