package virtual

import (
	"errors"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"segno/agents/runtime"
	"segno/agents/runtime/simulated"
)

// Fates are what becomes of programs, as far as pods that were there tell.
type Fates struct {
	images   map[string]string // why they cannot be pulled
	programs map[string]simulated.Script
	unready  map[string]bool // programs that do not pass their probes
}

// steady is how long a container must have run unready for that to be its fate,
// and not its start.
const steady = time.Minute

// Learn looks at how the containers of pods were at a moment. Of those that run
// one program, the unluckier counts.
func Learn(pods []*corev1.Pod, at time.Time) *Fates {
	f := &Fates{images: map[string]string{}, programs: map[string]simulated.Script{}, unready: map[string]bool{}}
	for _, pod := range pods {
		for _, list := range []struct {
			specs    []corev1.Container
			statuses []corev1.ContainerStatus
		}{{pod.Spec.InitContainers, pod.Status.InitContainerStatuses}, {pod.Spec.Containers, pod.Status.ContainerStatuses}} {
			for i := range list.specs {
				spec := &list.specs[i]
				of := slices.IndexFunc(list.statuses, func(s corev1.ContainerStatus) bool { return s.Name == spec.Name })
				if of >= 0 {
					f.learn(pod, spec, &list.statuses[of], at)
				}
			}
		}
	}
	return f
}

func (f *Fates) learn(pod *corev1.Pod, spec *corev1.Container, is *corev1.ContainerStatus, at time.Time) {
	if wait := is.State.Waiting; wait != nil && slices.Contains(unpulled, wait.Reason) {
		f.images[spec.Image] = because(wait)
	}
	id := program(spec.Image, spec.Command, spec.Args)
	if end := lastEnd(is, at); end != nil && pod.DeletionTimestamp == nil {
		s := simulated.Script{
			Exits: true, RunFor: max(0, end.FinishedAt.Sub(end.StartedAt.Time)), ExitCode: int(end.ExitCode), OOM: end.Reason == oomKilled,
		}
		if before, known := f.programs[id]; !known || before.ExitCode == 0 && s.ExitCode != 0 {
			f.programs[id] = s
		}
	}
	if run := is.State.Running; run != nil && !is.Ready && spec.ReadinessProbe != nil && at.Sub(run.StartedAt.Time) > steady {
		f.unready[id] = true
	}
}

const oomKilled = "OOMKilled"

// unpulled are the reasons of a container that waits for its image.
var unpulled = []string{"ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull", "InvalidImageName"}

// because is what the engine said about an image.
func because(wait *corev1.ContainerStateWaiting) string {
	if _, why, ok := strings.Cut(wait.Message, ": ErrImagePull: "); ok {
		return why
	}
	return wait.Message
}

// lastEnd is how a container ended that ends each time: it has ended and was not
// told to, or it ran not longer by now than it did before its newest end.
func lastEnd(is *corev1.ContainerStatus, at time.Time) *corev1.ContainerStateTerminated {
	last := is.LastTerminationState.Terminated
	switch {
	case is.State.Terminated != nil:
		return is.State.Terminated
	case last == nil || last.StartedAt.IsZero():
		return nil
	case is.State.Waiting != nil && is.State.Waiting.Reason == "CrashLoopBackOff":
		return last
	case is.State.Running != nil && is.RestartCount > 1 && last.ExitCode != 0 && at.Sub(is.State.Running.StartedAt.Time) <= last.FinishedAt.Sub(last.StartedAt.Time):
		return last
	default:
		return nil
	}
}

// program tells programs apart.
func program(image string, command, args []string) string {
	return image + "\x00" + strings.Join(command, "\x01") + "\x00" + strings.Join(args, "\x01")
}

// noImage answers why an image cannot be had.
func (f *Fates) noImage(image string) error {
	if why, ok := f.images[image]; ok {
		return errors.New(why)
	}
	return nil
}

// script is what becomes of a container.
func (f *Fates) script(spec runtime.ContainerSpec) (simulated.Script, bool) {
	s, ok := f.programs[program(spec.Image, spec.Command, spec.Args)]
	return s, ok
}
