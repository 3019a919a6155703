package cluster

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"segno/agents/runtime/simulated"
	"segno/proto"
)

func TestP4CrashLoopBacksOffAndForgets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, _ := newWorld(t, Config{})
		record := w.record()
		w.run("crashes", map[string]string{simulated.RunFor: "1s", simulated.ExitCode: "3"})
		w.within(time.Hour, "nine attempts", func() bool { return restarts(w.pods()) >= 8 })
		w.within(time.Minute, "it waits", func() bool { return waiting(w.pods()) == "CrashLoopBackOff" })

		// It becomes calm: the next attempt runs for more than ten minutes.
		w.annotate("crashes", simulated.RunFor, "11m")
		w.within(time.Hour, "the calm attempt ends", func() bool { return restarts(w.pods()) >= 10 })
		w.annotate("crashes", simulated.RunFor, "1s")
		w.within(time.Hour, "twelve restarts", func() bool { return restarts(w.pods()) >= 13 })

		synctest.Wait()
		want := []time.Duration{
			0, 10 * time.Second, 20 * time.Second, 40 * time.Second, 80 * time.Second, 160 * time.Second, 300 * time.Second, 300 * time.Second,
			300 * time.Second, // before the calm attempt
			0,                 // the calm attempt made it forget
			0, 10 * time.Second, 20 * time.Second,
		}
		got := pauses(record)
		if len(got) < len(want) {
			t.Fatalf("pauses before the attempts: %v, want %v", got, want)
		}
		for i := range want {
			if got[i] < want[i] || got[i] > want[i]+2*time.Second {
				t.Errorf("attempt %d came after %s, want %s; all: %v", i+1, got[i], want[i], got)
			}
		}
	})
}

// pauses are the times between the end of an attempt and the start of the next,
// as the pod's status tells them, to the second.
func pauses(r *record) (out []time.Duration) {
	attempts := int32(0)
	r.moments(func(_ proto.Seq, pods []corev1.Pod) {
		for i := range pods {
			for _, c := range pods[i].Status.ContainerStatuses {
				if c.RestartCount <= attempts || c.State.Running == nil || c.LastTerminationState.Terminated == nil {
					continue
				}
				attempts = c.RestartCount
				out = append(out, c.State.Running.StartedAt.Sub(c.LastTerminationState.Terminated.FinishedAt.Time))
			}
		}
	})
	return out
}

func restarts(pods []corev1.Pod) (n int32) {
	for i := range pods {
		for _, c := range pods[i].Status.ContainerStatuses {
			n += c.RestartCount
		}
	}
	return n
}

func waiting(pods []corev1.Pod) string { return waitingFor(pods, oldImage) }

// run makes a pod of one container that behaves as scripted.
func (w *world) run(name string, script map[string]string) {
	w.t.Helper()
	_, err := w.client.CoreV1().Pods(space).Create(w.ctx, &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name, Annotations: script},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "main", Image: oldImage}}},
	}, metav1.CreateOptions{})
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) annotate(pod, key, value string) {
	w.t.Helper()
	patch := fmt.Sprintf(`{"metadata":{"annotations":{%q:%q}}}`, key, value)
	if _, err := w.client.CoreV1().Pods(space).Patch(w.ctx, pod, types.MergePatchType, []byte(patch), metav1.PatchOptions{}); err != nil {
		w.t.Fatal(err)
	}
}
