package kinds

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/duration"
)

var podColumns = []metav1.TableColumnDefinition{
	nameColumn,
	text("Ready", "The aggregate readiness state of this pod for accepting traffic."),
	text("Status", "The aggregate status of the containers in this pod."),
	text("Restarts", "The number of times the containers in this pod have been restarted and when the last container in this pod has restarted."),
	ageColumn,
	wide("IP", corev1.PodStatus{}.SwaggerDoc()["podIP"]),
	wide("Node", corev1.PodSpec{}.SwaggerDoc()["nodeName"]),
	wide("Nominated Node", corev1.PodStatus{}.SwaggerDoc()["nominatedNodeName"]),
	wide("Readiness Gates", corev1.PodSpec{}.SwaggerDoc()["readinessGates"]),
}

func podRow(pod *corev1.Pod, now time.Time) []any {
	s := summarize(pod)
	restarts := strconv.FormatInt(s.restarts, 10)
	if s.restarts > 0 && !s.restarted.IsZero() {
		restarts += fmt.Sprintf(" (%s ago)", duration.HumanDuration(now.Sub(s.restarted)))
	}
	ip := ""
	if len(pod.Status.PodIPs) > 0 {
		ip = pod.Status.PodIPs[0].IP
	}
	return []any{
		pod.Name, fmt.Sprintf("%d/%d", s.ready, s.containers), s.status, restarts, age(pod.CreationTimestamp, now),
		orNone(cmp.Or(ip, pod.Status.PodIP)), orNone(pod.Spec.NodeName), orNone(pod.Status.NominatedNodeName), readinessGates(pod),
	}
}

func readinessGates(pod *corev1.Pod) string {
	if len(pod.Spec.ReadinessGates) == 0 {
		return none
	}
	passed := 0
	for _, gate := range pod.Spec.ReadinessGates {
		if podCondition(pod, gate.ConditionType).Status == corev1.ConditionTrue {
			passed++
		}
	}
	return fmt.Sprintf("%d/%d", passed, len(pod.Spec.ReadinessGates))
}

// podSummary is what one line tells of all containers of a pod.
type podSummary struct {
	status     string
	ready      int
	containers int
	restarts   int64
	restarted  time.Time // the newest restart
}

func summarize(pod *corev1.Pod) podSummary {
	s := podSummary{
		status:     cmp.Or(pod.Status.Reason, string(pod.Status.Phase)),
		containers: len(pod.Spec.Containers),
	}
	if podCondition(pod, corev1.PodScheduled).Reason == corev1.PodReasonSchedulingGated {
		s.status = corev1.PodReasonSchedulingGated
	}
	sidecars := podSummary{}
	initializing := s.initContainers(pod, &sidecars)
	if !initializing || podCondition(pod, corev1.PodInitialized).Status == corev1.ConditionTrue {
		// Init containers are over: only those that still run count.
		s.restarts, s.restarted = sidecars.restarts, sidecars.restarted
		s.mainContainers(pod)
	}
	if pod.DeletionTimestamp != nil {
		over := pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed
		switch {
		case pod.Status.Reason == "NodeLost":
			s.status = "Unknown"
		case !over:
			s.status = "Terminating"
		}
	}
	return s
}

// count adds the restarts of one container.
func (s *podSummary) count(c *corev1.ContainerStatus) {
	s.restarts += int64(c.RestartCount)
	if end := c.LastTerminationState.Terminated; end != nil && end.FinishedAt.After(s.restarted) {
		s.restarted = end.FinishedAt.Time
	}
}

// initContainers tells where the init containers are, if they still hold the
// pod up; sidecars collects the restarts of those that go on running.
func (s *podSummary) initContainers(pod *corev1.Pod, sidecars *podSummary) (initializing bool) {
	for i := range pod.Spec.InitContainers {
		if isSidecar(&pod.Spec.InitContainers[i]) {
			s.containers++
		}
	}
	for i := range pod.Status.InitContainerStatuses {
		c := &pod.Status.InitContainerStatuses[i]
		s.count(c)
		restarts := slices.ContainsFunc(pod.Spec.InitContainers, func(spec corev1.Container) bool {
			return spec.Name == c.Name && isSidecar(&spec)
		})
		if restarts {
			sidecars.count(c)
		}
		end, wait := c.State.Terminated, c.State.Waiting
		switch {
		case end != nil && end.ExitCode == 0:
			continue
		case restarts && deref(c.Started, false):
			if c.Ready {
				s.ready++
			}
			continue
		case end != nil:
			s.status = "Init:" + exitStatus(end)
		case wait != nil && wait.Reason != "" && wait.Reason != "PodInitializing":
			s.status = "Init:" + wait.Reason
		default:
			s.status = fmt.Sprintf("Init:%d/%d", i, len(pod.Spec.InitContainers))
		}
		return true
	}
	return false
}

// mainContainers lets the first container that does not run name the status.
func (s *podSummary) mainContainers(pod *corev1.Pod) {
	running := false
	for i := len(pod.Status.ContainerStatuses) - 1; i >= 0; i-- {
		c := &pod.Status.ContainerStatuses[i]
		s.count(c)
		switch {
		case c.State.Waiting != nil && c.State.Waiting.Reason != "":
			s.status = c.State.Waiting.Reason
		case c.State.Terminated != nil:
			s.status = exitStatus(c.State.Terminated)
		case c.Ready && c.State.Running != nil:
			running = true
			s.ready++
		}
	}
	if s.status == "Completed" && running { // one of several is done
		s.status = "NotReady"
		if podReady(pod) {
			s.status = "Running"
		}
	}
}

func exitStatus(end *corev1.ContainerStateTerminated) string {
	switch {
	case end.Reason != "":
		return end.Reason
	case end.Signal != 0:
		return fmt.Sprintf("Signal:%d", end.Signal)
	default:
		return fmt.Sprintf("ExitCode:%d", end.ExitCode)
	}
}

// isSidecar tells an init container that keeps running beside the others.
func isSidecar(c *corev1.Container) bool {
	return deref(c.RestartPolicy, "") == corev1.ContainerRestartPolicyAlways
}
