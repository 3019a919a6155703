package events

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"segno/proto"
)

func TestE3PortionsFitIntoTransactions(t *testing.T) {
	pod := func(bytes int) Action {
		return Update{Object: &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Annotations: map[string]string{"a": strings.Repeat("x", bytes)}}}}
	}
	first := Batch{pod(proto.MaxObject), pod(proto.MaxObject)} // too large for one; whole all the same
	var more []Action
	for range 40 {
		more = append(more, pod(250_000))
	}
	portions := Portions(first, more)
	if len(portions) < 3 || len(portions[0]) != 2 {
		t.Fatalf("%d portions, the first of %d", len(portions), len(portions[0]))
	}
	sum := 0
	for i, part := range portions {
		size := 0
		for _, action := range part {
			size += portionOf(action)
		}
		sum += len(part)
		if i > 0 && size > proto.MaxEnvelope/2 {
			t.Errorf("portion %d has %d bytes", i, size)
		}
	}
	if sum != len(first)+len(more) {
		t.Errorf("%d actions came out of %d", sum, len(first)+len(more))
	}
	if few := Portions(Batch{pod(1)}, []Action{pod(2), Delete{}}); len(few) != 1 || len(few[0]) != 3 {
		t.Errorf("few changes became %d portions", len(few))
	}
	if none := Portions(nil, nil); none != nil {
		t.Errorf("nothing became %v", none)
	}
}
