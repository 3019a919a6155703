package cluster

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"segno/agents/runtime/simulated"
	"segno/cli/api/history"
	"segno/proto"
)

// question asks the API why an object is as it is.
func (w *world) question(object, question string) history.Why {
	w.t.Helper()
	synctest.Wait()
	resource, name, _ := strings.Cut(object, "/")
	var why history.Why
	w.ask(&why, "/apis/history.segno/v1/why?group=%s&resource=%s&namespace=%s&name=%s&question=%s",
		map[string]string{"deployments": "apps", "replicasets": "apps"}[resource], resource, space, name, question)
	if why.Answer == nil || len(why.Answer.Says) == 0 || why.Answer.Question != question {
		w.t.Fatalf("why %s %s has no answer: %+v", object, question, why)
	}
	w.t.Logf("why %s %s: %s\n%s", object, question, strings.Join(why.Answer.Says, "\n"), drawn(why.Roots, ""))
	return why
}

// drawn is a tree of causes, a line a transaction.
func drawn(nodes []*history.Node, indent string) (text string) {
	for _, n := range nodes {
		text += fmt.Sprintf("%s%d %s %s", indent, n.Seq, n.Actor, facts([]*history.Node{{Transaction: n.Transaction}}))
		if len(n.Says) > 0 {
			text += fmt.Sprintf(" %q", n.Says)
		}
		if n.Because != nil {
			text += " because: " + n.Because.Says
		}
		text += "\n" + drawn(n.Children, indent+"  ")
	}
	return text
}

// chain is the facts from the first root down the last children, and the actor
// of that root.
func chain(why history.Why) (root *history.Node, path []string) {
	nodes := why.Roots
	for len(nodes) > 0 {
		n := nodes[len(nodes)-1]
		if root == nil {
			root = n
		}
		for _, ev := range n.Events {
			path = append(path, ev.Fact)
		}
		nodes = n.Children
	}
	return root, path
}

// inOrder tells whether all of want are in path, one behind the other.
func inOrder(path []string, want ...string) bool {
	for _, fact := range path {
		if len(want) > 0 && fact == want[0] {
			want = want[1:]
		}
	}
	return len(want) == 0
}

func (w *world) wantAnswer(why history.Why, applies bool, words ...string) {
	w.t.Helper()
	all := strings.Join(why.Answer.Says, "\n")
	for _, word := range words {
		if !strings.Contains(all, word) {
			w.t.Errorf("why %s %s says nothing of %q:\n%s", why.Object.Name, why.Answer.Question, word, all)
		}
	}
	if why.Answer.Applies != applies {
		w.t.Errorf("why %s %s: applies is %t:\n%s", why.Object.Name, why.Answer.Question, why.Answer.Applies, all)
	}
}

func (w *world) wantRoot(why history.Why, actor proto.Actor, path ...string) {
	w.t.Helper()
	root, have := chain(why)
	if root == nil || root.Actor != actor || root.Lost || !inOrder(have, path...) {
		w.t.Errorf("why %s %s: want %s and %v:\n%s", why.Object.Name, why.Answer.Question, actor, path, drawn(why.Roots, ""))
	}
}

func TestE8WhyDeletedLeadsToTheScale(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, _ := newWorld(t, slow)
		w.create(web(3, oldImage))
		w.settled(3, oldImage)
		pod := w.pods()[0].Name
		w.wantAnswer(w.question("pods/"+pod, "deleted"), false, "nobody has asked for its deletion")
		w.wantAnswer(w.question("pods/"+pod, "pending"), false, "is not pending but Running since")
		w.wantAnswer(w.question("pods/"+pod, "restarted"), false, "No container")
		ready := w.question("pods/"+pod, "not-ready")
		w.wantAnswer(ready, false, "is ready since")
		if hints := ready.Answer.Hints; len(hints) != 1 || hints[0].At == 0 {
			t.Errorf("hints: %+v", hints)
		} else {
			var then history.Why
			w.ask(&then, "/at/%d/apis/history.segno/v1/why?resource=pods&namespace=%s&name=%s&question=not-ready", hints[0].At, space, pod)
			w.wantAnswer(then, true, "is not ready since")
		}
		w.wantAnswer(w.question("deployments/web", "not-ready"), false, "No pod of deployments/default/web is not ready (it has 3)")

		w.patch(`{"spec":{"replicas":0}}`)
		w.within(time.Minute, "no pod is left", func() bool { return len(w.pods()) == 0 })
		why := w.question("pods/"+pod, "deleted")
		w.wantAnswer(why, true, "was deleted at", "was scaled from 3 to 0", "request of user:ada")
		w.wantRoot(why, "user:ada", "DeploymentScaled", "ReplicaSetScaled", "PodDeletionRequested", "PodDeleted")
		w.wantAnswer(w.question("pods/"+pod, "pending"), false, "is gone since")

		var blast history.Blast
		w.ask(&blast, "/apis/history.segno/v1/blast?group=apps&resource=deployments&namespace=%s&name=web", space)
		count := func(fact string) int {
			i := slices.IndexFunc(blast.Counts, func(c history.Count) bool { return c.Fact == fact })
			if i < 0 {
				return 0
			}
			return blast.Counts[i].Count
		}
		if root, _ := chain(why); blast.Seq != root.Seq || count("ReplicaSetScaled") != 1 || count("PodDeletionRequested") != 3 || count("PodDeleted") != 3 {
			t.Errorf("blast of %d, want the scale to 0 at %d: %+v", blast.Seq, root.Seq, blast.Counts)
		}
		if took, err := time.ParseDuration(blast.Took); err != nil || took < time.Millisecond || took > time.Minute || blast.Newest <= blast.Seq {
			t.Errorf("blast took %q until %d", blast.Took, blast.Newest)
		}
	})
}

func TestE8WhyDeletedLeadsToTheSilentNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, _ := newWorld(t, Config{Nodes: 2})
		g := w.guest(Simulate{})
		w.create(web(6, oldImage))
		w.settled(6, oldImage)
		lost := g.pods()
		if len(lost) < 2 {
			t.Fatal("too few pods run on the guest")
		}
		g.leave()
		w.within(2*time.Minute, "the node is Unknown", func() bool { return g.ready() == corev1.ConditionUnknown })
		why := w.question("pods/"+lost[0].Name, "not-ready")
		w.wantAnswer(why, true, "its node guest is silent")
		w.wantRoot(why, "system:nodelife", "NodeSilent", "PodUnready")
		node := w.question("nodes/guest", "not-ready")
		w.wantAnswer(node, true, "is silent since", "Kubelet stopped posting node status", "failure", "silence of node guest")
		w.wantRoot(node, "system:nodelife", "NodeSilent")

		// What a person does to one pod meanwhile is not why the others go.
		w.annotate(lost[1].Name, "looked-at", "by ada")
		cordon := []byte(`{"spec":{"unschedulable":true}}`)
		if _, err := w.client.CoreV1().Nodes().Patch(w.ctx, "guest", types.MergePatchType, cordon, metav1.PatchOptions{}); err != nil {
			t.Fatal(err)
		}
		if err := w.client.CoreV1().Pods(space).Delete(w.ctx, lost[1].Name, metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
		w.within(10*time.Minute, "the pod is to go", func() bool {
			pod, err := w.client.CoreV1().Pods(space).Get(w.ctx, lost[0].Name, metav1.GetOptions{})
			return err == nil && pod.DeletionTimestamp != nil
		})
		why = w.question("pods/"+lost[0].Name, "deleted")
		w.wantAnswer(why, true, "is being deleted since", "evicted from nodes/guest, which is silent since", "nobody else can end its containers", "silence of node guest")
		w.wantRoot(why, "system:nodelife", "NodeSilent", "PodDeletionRequested")
		w.wantRoot(w.question("pods/"+lost[1].Name, "deleted"), "user:ada", "PodDeletionRequested")
		root, _ := chain(why)
		var blast history.Blast
		w.ask(&blast, "/apis/history.segno/v1/blast?seq=%d", root.Seq)
		if at := slices.IndexFunc(blast.Counts, func(c history.Count) bool { return c.Fact == "PodDeletionRequested" }); at < 0 || blast.Counts[at].Count != len(lost)-1 {
			t.Errorf("of the silence of %d pods' node, of which a person deleted one: %+v", len(lost), blast.Counts)
		}
		g.come()
		w.within(5*time.Minute, "the pod is gone", func() bool {
			return !slices.ContainsFunc(w.pods(), func(p corev1.Pod) bool { return p.Name == lost[0].Name })
		})
		why = w.question("pods/"+lost[0].Name, "deleted")
		w.wantAnswer(why, true, "was deleted at", "evicted from nodes/guest")
		w.wantRoot(why, "system:nodelife", "NodeSilent", "PodDeletionRequested", "PodDeleted")
	})
}

func TestE8WhyDeletedLeadsToTheOwnersAndTheNamespace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, _ := newWorld(t, Config{Nodes: 2})
		for _, policy := range []metav1.DeletionPropagation{metav1.DeletePropagationBackground, metav1.DeletePropagationForeground} {
			w.create(web(2, oldImage))
			w.settled(2, oldImage)
			pod := w.pods()[0]
			set := pod.OwnerReferences[0].Name
			if err := w.client.AppsV1().Deployments(space).Delete(w.ctx, "web", metav1.DeleteOptions{PropagationPolicy: &policy}); err != nil {
				t.Fatal(err)
			}
			w.within(5*time.Minute, "all of it is gone", func() bool {
				_, err := w.client.AppsV1().Deployments(space).Get(w.ctx, "web", metav1.GetOptions{})
				return len(w.pods()) == 0 && apierrors.IsNotFound(err)
			})
			why := w.question("pods/"+pod.Name, "deleted")
			w.wantAnswer(why, true, "was deleted at", "its owner replicasets/default/"+set+" was deleted", "request of user:ada")
			w.wantRoot(why, "user:ada", "PodDeletionRequested", "PodDeleted")
			if root, _ := chain(why); !strings.HasPrefix(root.Events[0].Fact, "DeploymentDelet") {
				t.Errorf("%s: it begins with %s", policy, root.Events[0].Fact)
			}
			why = w.question("deployments/web", "deleted")
			w.wantAnswer(why, true, "was deleted at", "user:ada")
			w.wantRoot(why, "user:ada", "DeploymentDeleted")
		}

		team := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "team"}}
		if _, err := w.client.CoreV1().Namespaces().Create(w.ctx, team, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
		maps := w.client.CoreV1().ConfigMaps("team")
		if _, err := maps.Create(w.ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "settings"}}, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
		if err := w.client.CoreV1().Namespaces().Delete(w.ctx, "team", metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
		w.within(5*time.Minute, "the namespace is gone", func() bool {
			_, err := w.client.CoreV1().Namespaces().Get(w.ctx, "team", metav1.GetOptions{})
			return apierrors.IsNotFound(err)
		})
		synctest.Wait()
		var why history.Why
		w.ask(&why, "/apis/history.segno/v1/why?resource=configmaps&namespace=team&name=settings&question=deleted")
		w.wantAnswer(why, true, "its namespace namespaces/team was deleted by user:ada")
		w.wantRoot(why, "user:ada", "NamespaceTerminating", "ConfigMapDeleted")
		w.ask(&why, "/apis/history.segno/v1/why?resource=namespaces&name=team&question=deleted")
		w.wantAnswer(why, true, "was deleted at", "user:ada")
		w.wantRoot(why, "user:ada", "NamespaceTerminating", "NamespaceDeleted")
	})
}

func TestE8WhyPendingLeadsToTheBadImage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, _ := newWorld(t, Config{Nodes: 2, Simulate: Simulate{NoImage: func(image string) error {
			if image == badImage {
				return fmt.Errorf("manifest for %s not found", image)
			}
			return nil
		}}})
		w.create(web(2, oldImage))
		w.settled(2, oldImage)
		w.setImage(badImage)
		var pod string
		w.within(10*time.Minute, "a pod backs off", func() bool {
			for _, p := range w.pods() {
				if p.Spec.Containers[0].Image == badImage && len(p.Status.ContainerStatuses) > 0 {
					pod = p.Name
					wait := p.Status.ContainerStatuses[0].State.Waiting
					return wait != nil && wait.Reason == "ImagePullBackOff"
				}
			}
			return false
		})
		for _, about := range []string{"pods/" + pod, "deployments/web"} {
			for _, question := range []string{"pending", "not-ready"} {
				why := w.question(about, question)
				w.wantAnswer(why, true, "container main waits: ImagePullBackOff", "manifest for "+badImage+" not found", "request of user:ada")
				w.wantRoot(why, "user:ada", "DeploymentTemplateChanged", "ReplicaSetCreated", "PodCreated", "PodBound", "ContainerWaiting")
			}
		}
	})
}

func TestE8WhyPendingInTheWordsOfTheScheduler(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, _ := newWorld(t, Config{Nodes: 2})
		d := web(1, oldImage)
		d.Spec.Template.Spec.NodeSelector = map[string]string{"disk": "fast"}
		w.create(d)
		w.within(time.Minute, "the scheduler gives up", func() bool {
			p := w.pods()
			return len(p) == 1 && len(p[0].Status.Conditions) > 0
		})
		why := w.question("pods/"+w.pods()[0].Name, "pending")
		w.wantAnswer(why, true, "the scheduler finds no node: Unschedulable: 0/2 nodes are available", "request of user:ada")
		w.wantRoot(why, "user:ada", "DeploymentCreated", "PodCreated", "PodUnschedulable")
	})
}

func TestE8WhyPendingTellsOfTheDeletedConfigMap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, _ := newWorld(t, Config{})
		maps := w.client.CoreV1().ConfigMaps(space)
		if _, err := maps.Create(w.ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "settings"}}, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
		if err := maps.Delete(w.ctx, "settings", metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
		d := web(1, oldImage)
		d.Spec.Template.Spec.Containers[0].Env = []corev1.EnvVar{{Name: "LEVEL", ValueFrom: &corev1.EnvVarSource{
			ConfigMapKeyRef: &corev1.ConfigMapKeySelector{LocalObjectReference: corev1.LocalObjectReference{Name: "settings"}, Key: "level"},
		}}}
		w.create(d)
		w.within(5*time.Minute, "its container cannot be made", func() bool {
			p := w.pods()
			return len(p) == 1 && len(p[0].Status.ContainerStatuses) == 1 && p[0].Status.ContainerStatuses[0].State.Waiting.Reason == "CreateContainerConfigError"
		})
		for _, question := range []string{"pending", "not-ready"} {
			why := w.question("pods/"+w.pods()[0].Name, question)
			w.wantAnswer(why, true, "CreateContainerConfigError", "is not supported by this version of segno", "Besides, it needs configmaps/default/settings, which was deleted at", "user:ada")
			w.wantRoot(why, "user:ada", "DeploymentCreated", "ContainerWaiting")
			if first := why.Roots[0]; len(why.Roots) != 2 || first.Events[0].Fact != "ConfigMapDeleted" || len(first.Says) == 0 {
				t.Errorf("the deletion stands nowhere: %s", drawn(why.Roots, ""))
			}
		}
	})
}

func TestE8WhyRestartedLeadsToTheDeaths(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, _ := newWorld(t, Config{Simulate: Simulate{StartLatency: 100 * time.Millisecond}})
		w.run("crashes", map[string]string{simulated.RunFor: "3s", simulated.ExitCode: "3"})
		w.run("swells", map[string]string{simulated.RunFor: "20s", simulated.OOM: "true"})
		crashes := func() int32 {
			pod, err := w.client.CoreV1().Pods(space).Get(w.ctx, "crashes", metav1.GetOptions{})
			if err != nil {
				t.Fatal(err)
			}
			return restarts([]corev1.Pod{*pod})
		}
		w.within(time.Hour, "they run again", func() bool { return crashes() == 3 && restarts(w.pods()) >= 4 && ready(w.pods(), "") == 2 })
		why := w.question("pods/crashes", "restarted")
		w.wantAnswer(why, true, "Container main of pods/default/crashes was restarted", "exited with code 3 (Error) after 3s")
		deaths := 0
		for _, root := range why.Roots {
			if root.Actor != "node:sim-1" || len(root.Says) == 0 || !strings.Contains(root.Says[0], "exited with code 3") {
				t.Errorf("a death is %+v", root)
			}
			deaths++
		}
		for _, pod := range w.pods() {
			if pod.Name == "crashes" && deaths != int(pod.Status.ContainerStatuses[0].RestartCount) {
				t.Errorf("%d deaths, %d restarts", deaths, pod.Status.ContainerStatuses[0].RestartCount)
			}
		}
		w.wantAnswer(w.question("pods/swells", "restarted"), true, "killed for want of memory (OOMKilled, exit code 137) after 20s")

		w.within(time.Hour, "it backs off", func() bool {
			return slices.ContainsFunc(w.pods(), func(p corev1.Pod) bool {
				s := p.Status.ContainerStatuses
				return p.Name == "crashes" && len(s) == 1 && s[0].State.Waiting != nil && s[0].State.Waiting.Reason == "CrashLoopBackOff"
			})
		})
		why = w.question("pods/crashes", "not-ready")
		w.wantAnswer(why, true, "crash loop", "exited with code 3")
		w.wantRoot(why, "node:sim-1", "ContainerDied")
	})
}
