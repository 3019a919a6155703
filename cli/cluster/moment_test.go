package cluster

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"segno/cli/api/history"
	"segno/proto"
)

const podsPath = "/api/v1/namespaces/" + space + "/pods"

func TestE6EveryMomentIsWhatAWatchSaidThen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, _ := newWorld(t, slow)
		record := w.record()
		w.create(web(3, oldImage))
		w.settled(3, oldImage)
		time.Sleep(time.Minute)
		between := time.Now()
		time.Sleep(time.Minute)
		w.setImage(newImage)
		w.settled(3, newImage)
		if err := w.client.CoreV1().Pods(space).Delete(w.ctx, w.pods()[0].Name, metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		w.settled(3, newImage)
		synctest.Wait()

		moments := 0
		record.moments(func(seq proto.Seq, then []corev1.Pod) {
			moments++
			w.samePods(then, "/at/%d"+podsPath, seq)
			w.samePods(slices.DeleteFunc(slices.Clone(then), func(p corev1.Pod) bool { return p.Spec.NodeName != "sim-2" }),
				"/at/%d"+podsPath+"?labelSelector=app%%3Dweb&fieldSelector=spec.nodeName%%3Dsim-2", seq)
			for i := range then {
				var pod corev1.Pod
				w.ask(&pod, "/at/%d"+podsPath+"/%s", seq, then[i].Name)
				if diff := cmp.Diff(untyped(then[i]), untyped(pod)); diff != "" {
					t.Errorf("pod %s as of %d differs from what the watch said:\n%s", pod.Name, seq, diff)
				}
			}
		})
		if moments < 30 {
			t.Errorf("the watch told of %d moments only", moments)
		}

		var list corev1.PodList
		w.ask(&list, "/at/%s"+podsPath, url.PathEscape(between.UTC().Format(time.RFC3339Nano)))
		if ready(list.Items, oldImage) != 3 || len(list.Items) != 3 {
			t.Errorf("between the rollouts there were:\n%s", names(list.Items))
		}
		w.ask(&list, "/at/%s"+podsPath, "48h")
		if len(list.Items) != 0 {
			t.Errorf("before the beginning there were:\n%s", names(list.Items))
		}
	})
}

func (w *world) samePods(want []corev1.Pod, path string, args ...any) {
	w.t.Helper()
	var list corev1.PodList
	w.ask(&list, path, args...)
	slices.SortFunc(list.Items, func(a, b corev1.Pod) int { return strings.Compare(a.Name, b.Name) })
	if len(want) == 0 && len(list.Items) == 0 {
		return
	}
	if len(want) != len(list.Items) {
		w.t.Errorf("GET "+path+": %d pods, the watch said %d", append(args, len(list.Items), len(want))...)
		return
	}
	for i := range want {
		if diff := cmp.Diff(untyped(want[i]), untyped(list.Items[i])); diff != "" {
			w.t.Errorf("GET "+path+" differs from what the watch said:\n%s", append(args, diff)...)
		}
	}
}

// untyped is a pod without its kind, which a list leaves out.
func untyped(pod corev1.Pod) corev1.Pod {
	pod.TypeMeta = metav1.TypeMeta{}
	return pod
}

func TestE5HistoryAndE8WhyLeadToThePerson(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, _ := newWorld(t, slow)
		w.create(web(3, oldImage))
		w.settled(3, oldImage)
		w.setImage(newImage)
		w.settled(3, newImage)

		var past history.List
		w.ask(&past, "/apis/history.segno/v1/history?group=apps&resource=deployments&namespace=%s&name=web", space)
		var people []proto.Seq
		for _, r := range past.Revisions {
			if r.Actor == "user:ada" {
				people = append(people, r.Seq)
			} else if r.Actor != "system:deployment" || r.Cause == 0 {
				t.Errorf("revision %d is by %s because of %d, want the deployment's own loop and a cause", r.Seq, r.Actor, r.Cause)
			}
		}
		if len(people) != 2 {
			t.Fatalf("ada's revisions are %v, want the creation and the new image", people)
		}
		image := past.Revisions[slices.IndexFunc(past.Revisions, func(r history.Revision) bool { return r.Seq == people[1] })]
		if !slices.ContainsFunc(image.Changes, func(c history.Change) bool {
			return string(c.Old) == strconv.Quote(oldImage) && string(c.New) == strconv.Quote(newImage)
		}) {
			t.Errorf("the new image is not among the changes %+v", image.Changes)
		}

		for _, pod := range w.pods() {
			w.checkWhy(pod.Name, people[1])
		}
	})
}

// checkWhy asks why a pod is as it is: every chain of causes begins with the
// person's transaction.
func (w *world) checkWhy(pod string, root proto.Seq) {
	w.t.Helper()
	var why history.Why
	w.ask(&why, "/apis/history.segno/v1/why?resource=pods&namespace=%s&name=%s", space, pod)
	own := 0
	var count func(n *history.Node)
	count = func(n *history.Node) {
		if n.Own {
			own++
		}
		for _, child := range n.Children {
			count(child)
		}
	}
	for _, n := range why.Roots {
		count(n)
		if n.Seq != root || n.Actor != "user:ada" || n.Lost {
			w.t.Errorf("why of %s: it begins with %d %s by %s %+v, want ada's %d", pod, n.Seq, n.Verb, n.Actor, n.Events, root)
		}
	}
	if own < 3 { // made, bound, run
		w.t.Errorf("why of %s tells of %d transactions of its own", pod, own)
	}
}

func TestO3NamespaceGoesWithAllThatIsInIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, _ := newWorld(t, Config{Nodes: 3})
		core := w.client.CoreV1()
		meta := metav1.ObjectMeta{Name: "web", Namespace: "team", Labels: map[string]string{"app": "web"}}
		if _, err := core.Namespaces().Create(w.ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "team"}}, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
		d := web(5, oldImage)
		d.Namespace = "team"
		w.create(d)
		service := &corev1.Service{ObjectMeta: meta, Spec: corev1.ServiceSpec{Selector: meta.Labels, Ports: []corev1.ServicePort{{Port: 80}}}}
		if _, err := core.Services("team").Create(w.ctx, service, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
		if _, err := core.ConfigMaps("team").Create(w.ctx, &corev1.ConfigMap{ObjectMeta: meta}, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
		if _, err := core.Secrets("team").Create(w.ctx, &corev1.Secret{ObjectMeta: meta}, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
		w.within(time.Minute, "all pods serve", func() bool {
			endpoints, err := core.Endpoints("team").Get(w.ctx, "web", metav1.GetOptions{})
			return err == nil && len(endpoints.Subsets) == 1 && len(endpoints.Subsets[0].Addresses) == 5
		})
		if have := w.inNamespace("team"); len(have) < 12 { // 5 pods, and what they came from
			t.Fatalf("the namespace holds %v", have)
		}

		if err := core.Namespaces().Delete(w.ctx, "team", metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
		_, err := core.ConfigMaps("team").Create(w.ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "late"}}, metav1.CreateOptions{})
		if !apierrors.IsForbidden(err) && !apierrors.IsNotFound(err) {
			t.Errorf("a new object in a namespace that goes: %v, want it forbidden", err)
		}
		w.within(5*time.Minute, "the namespace is gone", func() bool {
			_, err := core.Namespaces().Get(w.ctx, "team", metav1.GetOptions{})
			return apierrors.IsNotFound(err)
		})
		if left := w.inNamespace("team"); len(left) > 0 {
			t.Errorf("left behind: %v", left)
		}
		w.within(time.Minute, "no container is left", func() bool { return w.containers() == 0 })
	})
}
