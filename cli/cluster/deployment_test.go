package cluster

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	cmdutil "k8s.io/kubectl/pkg/cmd/util"
	"k8s.io/kubectl/pkg/polymorphichelpers"

	"segno/proto"
)

// Images of these tests; there is no such thing as badImage.
const (
	oldImage = "nginx:1.7.9"
	newImage = "nginx:1.9.1"
	badImage = "nginx:1.91"
)

// slow is a cluster in which containers take their time to start.
var slow = Config{Nodes: 3, Simulate: Simulate{StartLatency: time.Second}}

func TestW2DeploymentRollsPodByPod(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, _ := newWorld(t, slow)
		w.create(web(3, oldImage))
		w.settled(3, oldImage)

		w.patch(`{"spec":{"replicas":4}}`)
		w.settled(4, oldImage)
		record := w.record()
		w.setImage(newImage)
		w.settled(4, newImage)

		// 25 % of 4: one more than wanted, one fewer available.
		synctest.Wait()
		w.checkRollout(record, 3, 5)
		if sets := w.sets(); len(sets) != 2 || *sets["1"].Spec.Replicas != 0 || *sets["2"].Spec.Replicas != 4 {
			t.Errorf("sets by revision: %v", sizes(sets))
		}
	})
}

// checkRollout looks at every moment from the first with the wanted number of
// ready pods on.
func (w *world) checkRollout(r *record, leastReady, mostPods int) {
	w.t.Helper()
	begun, mixed := false, 0
	r.moments(func(seq proto.Seq, pods []corev1.Pod) {
		begun = begun || ready(pods, "") == mostPods-1
		if ready(pods, oldImage) > 0 && ready(pods, newImage) > 0 {
			mixed++
		}
		if begun && ready(pods, "") < leastReady {
			w.t.Errorf("at %d: %d pods are ready, want %d at least", seq, ready(pods, ""), leastReady)
		}
		// What counts is what the sets are to have: they grow and shrink beside one another.
		var sets appsv1.ReplicaSetList
		w.ask(&sets, "/at/%d/apis/apps/v1/namespaces/%s/replicasets", seq, space)
		wanted := 0
		for i := range sets.Items {
			wanted += int(*sets.Items[i].Spec.Replicas)
		}
		if wanted > mostPods {
			w.t.Errorf("at %d: %d pods are wanted, want %d at most", seq, wanted, mostPods)
		}
	})
	if mixed < 3 {
		w.t.Errorf("old and new pods were ready together at %d moments only", mixed)
	}
}

func TestW3UndoPauseResumeAndHistory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, _ := newWorld(t, slow)
		w.create(web(3, oldImage))
		w.settled(3, oldImage)
		w.setImage(newImage)
		w.settled(3, newImage)

		w.undo(0)
		w.settled(3, oldImage)
		sets := w.sets()
		if got := slices.Sorted(maps.Keys(sets)); !slices.Equal(got, []string{"2", "3"}) {
			t.Errorf("revisions after undo are %v, want the first to have become the third", got)
		}
		if got := sets["3"].Annotations["deployment.kubernetes.io/revision-history"]; got != "1" {
			t.Errorf("revision 3 was %q before, want 1", got)
		}

		w.patch(`{"spec":{"paused":true}}`)
		w.setImage(newImage)
		time.Sleep(20 * time.Minute) // twice the progress deadline, which does not run meanwhile
		if n := ready(w.pods(), oldImage); n != 3 {
			t.Errorf("%d old pods are ready while paused, want all 3", n)
		}
		if is := condition(w.deployment(), appsv1.DeploymentProgressing); is.Reason != "DeploymentPaused" {
			t.Errorf("Progressing is %s while paused", is.Reason)
		}
		w.patch(`{"spec":{"paused":null}}`)
		w.settled(3, newImage)

		w.undo(3)
		w.settled(3, oldImage)
	})
}

func TestO7DeletionTakesThePodsAlong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, policy := range []metav1.DeletionPropagation{metav1.DeletePropagationBackground, metav1.DeletePropagationForeground} {
			w, stop := newWorld(t, Config{Nodes: 3})
			w.create(web(3, oldImage))
			w.settled(3, oldImage)
			w.setImage(newImage)
			w.settled(3, newImage)
			err := w.client.AppsV1().Deployments(space).Delete(w.ctx, "web", metav1.DeleteOptions{PropagationPolicy: &policy})
			if err != nil {
				t.Fatal(err)
			}
			w.within(time.Minute, "nothing is left", func() bool {
				left, err := w.client.AppsV1().Deployments(space).List(w.ctx, metav1.ListOptions{})
				return err == nil && len(left.Items) == 0 && len(w.pods()) == 0 && len(w.sets()) == 0
			})
			w.within(time.Minute, "no container is left", func() bool { return w.containers() == 0 })
			stop()
		}
	})
}

func TestW2BadImageStallsAndUndoHeals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		noImage := func(image string) error {
			if image == badImage {
				return fmt.Errorf("manifest for %s not found", image)
			}
			return nil
		}
		w, _ := newWorld(t, Config{Nodes: 3, Simulate: Simulate{NoImage: noImage}})
		w.create(web(3, oldImage))
		w.settled(3, oldImage)

		w.setImage(badImage)
		started := time.Now()
		w.within(time.Minute, "a pod is in ImagePullBackOff", func() bool { return waitingFor(w.pods(), badImage) == "ImagePullBackOff" })
		w.within(time.Hour, "the rollout is out of time", func() bool {
			is := condition(w.deployment(), appsv1.DeploymentProgressing)
			return is != nil && is.Reason == "ProgressDeadlineExceeded" && is.Status == corev1.ConditionFalse
		})
		if took := time.Since(started); took < 10*time.Minute-time.Second || // times are kept to the second
			took > 10*time.Minute+10*time.Second {
			t.Errorf("the deadline passed after %s, want 10 minutes", took)
		}
		if n := ready(w.pods(), oldImage); n != 3 {
			t.Errorf("%d old pods are ready, want all 3: 25 %% of 3 is none", n)
		}
		w.undo(0)
		w.settled(3, oldImage)
		if is := condition(w.deployment(), appsv1.DeploymentProgressing); is.Reason != "NewReplicaSetAvailable" {
			t.Errorf("Progressing is %s after the undo", is.Reason)
		}
	})
}

// waitingFor is why the first container of that image waits.
func waitingFor(pods []corev1.Pod, image string) string {
	for i := range pods {
		for _, c := range pods[i].Status.ContainerStatuses {
			if pods[i].Spec.Containers[0].Image == image && c.State.Waiting != nil {
				return c.State.Waiting.Reason
			}
		}
	}
	return ""
}

func condition(d *appsv1.Deployment, of appsv1.DeploymentConditionType) *appsv1.DeploymentCondition {
	for i := range d.Status.Conditions {
		if d.Status.Conditions[i].Type == of {
			return &d.Status.Conditions[i]
		}
	}
	return &appsv1.DeploymentCondition{}
}

func (w *world) deployment() *appsv1.Deployment {
	w.t.Helper()
	d, err := w.client.AppsV1().Deployments(space).Get(w.ctx, "web", metav1.GetOptions{})
	if err != nil {
		w.t.Fatal(err)
	}
	return d
}

func (w *world) patch(patch string) {
	w.t.Helper()
	_, err := w.client.AppsV1().Deployments(space).Patch(w.ctx, "web", types.StrategicMergePatchType, []byte(patch), metav1.PatchOptions{})
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) setImage(image string) {
	w.t.Helper()
	w.patch(fmt.Sprintf(`{"spec":{"template":{"spec":{"containers":[{"name":"main","image":%q}]}}}}`, image))
}

// undo is kubectl's own.
func (w *world) undo(revision int64) {
	w.t.Helper()
	rollbacker, err := polymorphichelpers.RollbackerFor(appsv1.SchemeGroupVersion.WithKind("Deployment").GroupKind(), w.client)
	if err != nil {
		w.t.Fatal(err)
	}
	if _, err := rollbacker.Rollback(w.deployment(), nil, revision, cmdutil.DryRunNone); err != nil {
		w.t.Fatal(err)
	}
}

// settled waits until there are that many pods of the image and nothing else,
// and the Deployment says so.
func (w *world) settled(n int, image string) {
	w.t.Helper()
	w.within(10*time.Minute, fmt.Sprintf("%d pods of %s and no other", n, image), func() bool { return w.isSettled(n, image) })
}

func (w *world) isSettled(n int, image string) bool {
	pods, d := w.pods(), w.deployment()
	return len(pods) == n && ready(pods, image) == n && d.Status.ObservedGeneration == d.Generation &&
		int(d.Status.AvailableReplicas) == n && int(d.Status.UpdatedReplicas) == n && int(d.Status.Replicas) == n
}

// sets are the ReplicaSets by their revision.
func (w *world) sets() map[string]*appsv1.ReplicaSet {
	w.t.Helper()
	list, err := w.client.AppsV1().ReplicaSets(space).List(w.ctx, metav1.ListOptions{})
	if err != nil {
		w.t.Fatal(err)
	}
	sets := map[string]*appsv1.ReplicaSet{}
	for i := range list.Items {
		sets[list.Items[i].Annotations["deployment.kubernetes.io/revision"]] = &list.Items[i]
	}
	return sets
}

func sizes(sets map[string]*appsv1.ReplicaSet) map[string]int32 {
	out := map[string]int32{}
	for revision, set := range sets {
		out[revision] = *set.Spec.Replicas
	}
	return out
}

// containers counts what runs on the simulated engines.
func (w *world) containers() (n int) {
	w.t.Helper()
	for _, node := range w.cluster.nodes {
		pods, err := node.runtime.List(w.ctx)
		if err != nil {
			w.t.Fatal(err)
		}
		n += len(pods)
	}
	return n
}
