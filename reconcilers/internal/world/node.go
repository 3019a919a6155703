package world

import (
	"fmt"
	"slices"
	"strings"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"segno/events"
	"segno/events/podstate"
	"segno/proto"
	"segno/reconcilers"
)

// podsNamed answers the pods with the names, or all pods.
func (pl *player) podsNamed(names []string) []*corev1.Pod {
	pods, err := events.ListAs[*corev1.Pod](pl.w.View(), events.Query{Resource: reconcilers.Pods})
	pl.must(err)
	if len(names) == 0 {
		return pods
	}
	var found []*corev1.Pod
	for _, name := range names {
		i := slices.IndexFunc(pods, func(pod *corev1.Pod) bool { return pod.Name == name })
		if i < 0 {
			pl.t.Fatalf("script: no pod %s", name)
		}
		found = append(found, pods[i])
	}
	return found
}

// kubelet plays the nodes: bound pods start and serve, terminating ones end.
// Without names it goes on for as long as the loops find work for it.
func (pl *player) kubelet(names []string) {
	for range 100 {
		before := pl.w.View().Seq()
		for _, pod := range pl.podsNamed(names) {
			pl.tend(pod)
		}
		pl.settle()
		if len(names) > 0 || pl.w.View().Seq() == before {
			return
		}
	}
	pl.t.Fatal("the nodes never come to rest")
}

// kubeletOf plays one node, for as long as the loops find work for it.
func (pl *player) kubeletOf(node string) {
	for range 100 {
		before := pl.w.View().Seq()
		for _, pod := range pl.podsNamed(nil) {
			if pod.Spec.NodeName == node {
				pl.tend(pod)
			}
		}
		pl.settle()
		if pl.w.View().Seq() == before {
			return
		}
	}
	pl.t.Fatal("the node never comes to rest")
}

// tend brings one pod a step further.
func (pl *player) tend(pod *corev1.Pod) {
	key := reconcilers.Pods.Key(pod.Namespace, pod.Name)
	node := string(proto.NodeActor(proto.NodeName(pod.Spec.NodeName)))
	switch {
	case pod.Spec.NodeName == "" || podstate.Finished(pod) && pod.DeletionTimestamp == nil:
	case pod.DeletionTimestamp != nil:
		now := int64(0)
		pl.submit(proto.Actor(node), events.Delete{Key: key, Options: metav1.DeleteOptions{GracePeriodSeconds: &now}})
	case !podstate.Ready(pod):
		started := events.Copy(pod)
		started.Status.Phase = corev1.PodRunning
		if started.Status.PodIP == "" {
			pl.p.count["ip"]++
			started.Status.PodIP = fmt.Sprintf("10.0.0.%d", pl.p.count["ip"])
			started.Status.PodIPs = []corev1.PodIP{{IP: started.Status.PodIP}}
		}
		setReady(started, true)
		pl.submit(proto.Actor(node), events.Update{Key: key, Subresource: events.SubStatus, Object: started})
	}
}

// eachPod changes the status of pods.
func (pl *player) eachPod(names []string, change func(pod *corev1.Pod)) {
	for _, pod := range pl.podsNamed(names) {
		changed := events.Copy(pod)
		change(changed)
		pl.submit(proto.NodeActor(proto.NodeName(pod.Spec.NodeName)), events.Update{
			Key: reconcilers.Pods.Key(pod.Namespace, pod.Name), Subresource: events.SubStatus, Object: changed,
		})
	}
}

func setReady(pod *corev1.Pod, ready bool) {
	status := corev1.ConditionFalse
	if ready {
		status = corev1.ConditionTrue
	}
	podstate.SetCondition(pod, corev1.PodCondition{Type: corev1.PodReady, Status: status}, reconcilers.Stamp(time.Now()))
}

// beat renews the leases of nodes.
func (pl *player) beat(nodes []string) {
	for _, node := range nodes {
		key := reconcilers.Leases.Key(reconcilers.NamespaceNodeLease, node)
		now := metav1.NewMicroTime(time.Now())
		seconds := int32(40)
		pl.submit(proto.NodeActor(proto.NodeName(node)), events.Update{
			Key: key, CreateUID: pl.w.uid(key),
			Object: &coordinationv1.Lease{
				ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: node},
				Spec:       coordinationv1.LeaseSpec{HolderIdentity: &node, RenewTime: &now, LeaseDurationSeconds: &seconds},
			},
		})
	}
}

// pods prints the pods.
func (pl *player) pods() {
	for _, pod := range pl.podsNamed(nil) {
		state := string(pod.Status.Phase)
		switch {
		case pod.DeletionTimestamp != nil:
			state = "Terminating"
		case podstate.Ready(pod):
			state += " ready"
		}
		pl.p.printf("    %s", strings.Join([]string{pod.Namespace + "/" + pod.Name, pod.Spec.NodeName, state}, "  "))
	}
}
