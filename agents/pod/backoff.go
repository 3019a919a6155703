package pod

import (
	"time"

	corev1 "k8s.io/api/core/v1"

	"segno/agents/runtime"
	"segno/agents/wait"
)

const (
	firstBackOff = 10 * time.Second
	mostBackOff  = 5 * time.Minute
	// calm is how long a container must have run for its crashes to be forgotten.
	calm = 10 * time.Minute
	// killAgain is how long after a KILL without effect the next one follows.
	killAgain = 5 * time.Second
	// shown is how long a fresh image error is shown before it becomes a back-off.
	shown = 2 * time.Second
)

// streakOf counts the crashes in a row up to an exited container, which is
// not counted itself: 0 means that this is the first one.
func streakOf(c runtime.Container) int {
	if c.FinishedAt.Sub(c.StartedAt) >= calm {
		return 0
	}
	return c.Streak
}

// restartDelay is how long an exited container waits for its next attempt: the
// first crash is answered at once.
func restartDelay(c runtime.Container) time.Duration {
	streak := streakOf(c)
	if streak == 0 {
		return 0
	}
	return wait.Doubled(firstBackOff, mostBackOff, streak-1)
}

// restarts says whether a container that exited is to run again.
func restarts(policy corev1.RestartPolicy, c runtime.Container) bool {
	switch policy {
	case corev1.RestartPolicyNever:
		return false
	case corev1.RestartPolicyOnFailure:
		return c.ExitCode != 0
	case corev1.RestartPolicyAlways:
		return true
	default:
		return true
	}
}

// failed is the trouble after one more failure.
func (t Trouble) failed(reason, message string, first, most time.Duration, now time.Time) Trouble {
	return Trouble{
		Reason: reason, Message: message, Failures: t.Failures + 1,
		At: now, Retry: now.Add(wait.Doubled(first, most, t.Failures)),
	}
}
