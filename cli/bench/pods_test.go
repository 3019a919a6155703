package bench

import (
	"context"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const (
	clusterNodes = 100
	clusterPods  = 1000
	idleTime     = 30 * time.Second
)

// BenchmarkPods asks a cluster of 100 simulated nodes for 1000 pods, and
// measures until all are Running. The client, which watches them, is another
// process and not counted.
func BenchmarkPods(b *testing.B) {
	for range b.N {
		s := startServer(b, clusterNodes)
		s.awaitNodes(b)
		b.ReportMetric(s.start.Seconds(), "start-s")
		s.profiled(b, func() {
			cpu, began := s.cpu(b), time.Now()
			s.deploy(b, "web", clusterPods)
			s.awaitRunning(b, clusterPods)
			b.ReportMetric(time.Since(began).Seconds(), "wall-s")
			b.ReportMetric((s.cpu(b) - cpu).Seconds(), "cpu-s")
		})
		b.ReportMetric(s.memory(b, "VmHWM"), "peak-MB")
		b.ReportMetric(s.memory(b, "RssFile"), "program-MB") // pages of the program itself, part of the peak
	}
}

// BenchmarkDeletePods deletes a deployment of 1000 pods until none is left.
func BenchmarkDeletePods(b *testing.B) {
	for range b.N {
		s := startServer(b, clusterNodes)
		s.awaitNodes(b)
		s.deploy(b, "web", clusterPods)
		s.awaitRunning(b, clusterPods)
		s.profiled(b, func() {
			cpu, began := s.cpu(b), time.Now()
			if err := s.client.AppsV1().Deployments("default").Delete(b.Context(), "web", metav1.DeleteOptions{}); err != nil {
				b.Fatal(err)
			}
			eventually(b, "no pods", func(ctx context.Context) (bool, error) {
				page, err := s.client.CoreV1().Pods("default").List(ctx, metav1.ListOptions{Limit: 1})
				return err == nil && len(page.Items) == 0, err
			})
			b.ReportMetric(time.Since(began).Seconds(), "wall-s")
			b.ReportMetric((s.cpu(b) - cpu).Seconds(), "cpu-s")
		})
	}
}

// BenchmarkIdle leaves a cluster of 100 nodes alone for 30 seconds.
func BenchmarkIdle(b *testing.B) {
	for range b.N {
		s := startServer(b, clusterNodes)
		s.awaitNodes(b)
		time.Sleep(5 * time.Second) // the start is over
		s.profiled(b, func() {
			cpu := s.cpu(b)
			time.Sleep(idleTime)
			b.ReportMetric(100*(s.cpu(b)-cpu).Seconds()/idleTime.Seconds(), "%core")
		})
		b.ReportMetric(s.memory(b, "VmRSS"), "rss-MB")
	}
}

func (s *server) awaitNodes(b *testing.B) {
	b.Helper()
	eventually(b, "all nodes", func(ctx context.Context) (bool, error) {
		page, err := s.client.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
		if err != nil {
			return false, err
		}
		ready := 0
		for i := range page.Items {
			for _, c := range page.Items[i].Status.Conditions {
				if c.Type == corev1.NodeReady && c.Status == corev1.ConditionTrue {
					ready++
				}
			}
		}
		return ready == clusterNodes, nil
	})
}

func (s *server) deploy(b *testing.B, name string, replicas int32) {
	b.Helper()
	labels := map[string]string{"app": name}
	_, err := s.client.AppsV1().Deployments("default").Create(b.Context(), &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels},
		Spec: appsv1.DeploymentSpec{
			Replicas: &replicas, Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "web", Image: "nginx:1.9.1"}}},
			},
		},
	}, metav1.CreateOptions{})
	if err != nil {
		b.Fatalf("apply: %v", err)
	}
}

// awaitRunning watches from the beginning until so many pods are Running.
func (s *server) awaitRunning(b *testing.B, want int) {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.Context(), 5*time.Minute)
	defer cancel()
	watch, err := s.client.CoreV1().Pods("default").Watch(ctx, metav1.ListOptions{})
	if err != nil {
		b.Fatalf("watch pods: %v", err)
	}
	defer watch.Stop()
	running := map[string]bool{}
	for event := range watch.ResultChan() {
		pod, ok := event.Object.(*corev1.Pod)
		if !ok {
			b.Fatalf("watch pods: %s %v", event.Type, event.Object)
		}
		if running[pod.Name] = pod.Status.Phase == corev1.PodRunning; !running[pod.Name] {
			delete(running, pod.Name)
		}
		if len(running) == want {
			return
		}
	}
	b.Fatalf("the watch ended with %d of %d pods Running", len(running), want)
}
