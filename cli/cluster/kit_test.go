package cluster

import (
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"segno/events"
)

// space is where these tests work.
const space = metav1.NamespaceDefault

// web is a Deployment of that many.
func web(replicas int32, image string) *appsv1.Deployment {
	labels := map[string]string{"app": "web"}
	return &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: "web", Namespace: space, Labels: labels},
		Spec: appsv1.DeploymentSpec{
			Replicas: &replicas,
			Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "main", Image: image}}},
			},
		},
	}
}

// create makes a Deployment through the API.
func (w *world) create(d *appsv1.Deployment) *appsv1.Deployment {
	w.t.Helper()
	made, err := w.client.AppsV1().Deployments(d.Namespace).Create(w.ctx, d, metav1.CreateOptions{})
	if err != nil {
		w.t.Fatal(err)
	}
	return made
}

// pods are all of the namespace, by name.
func (w *world) pods() []corev1.Pod {
	w.t.Helper()
	list, err := w.client.CoreV1().Pods(space).List(w.ctx, metav1.ListOptions{})
	if err != nil {
		w.t.Fatal(err)
	}
	slices.SortFunc(list.Items, func(a, b corev1.Pod) int { return strings.Compare(a.Name, b.Name) })
	return list.Items
}

// ready counts the pods that are, of one image or, without, of any.
func ready(pods []corev1.Pod, image string) (n int) {
	for i := range pods {
		p := &pods[i]
		if p.DeletionTimestamp == nil && isReady(p) && (image == "" || p.Spec.Containers[0].Image == image) {
			n++
		}
	}
	return n
}

func isReady(p *corev1.Pod) bool {
	return slices.ContainsFunc(p.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue
	})
}

// inNamespace is every object of every kind in a namespace.
func (w *world) inNamespace(namespace string) (keys []string) {
	w.t.Helper()
	view := w.cluster.View()
	for _, kind := range w.cluster.table.All() {
		if !kind.Namespaced {
			continue
		}
		page, err := view.List(events.Query{Resource: kind.Resource, Namespace: namespace})
		if err != nil {
			w.t.Fatal(err)
		}
		for _, obj := range page.Items {
			keys = append(keys, kind.KeyOf(obj).String())
		}
	}
	return keys
}
