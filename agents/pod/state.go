package pod

import (
	"net/netip"
	"time"

	corev1 "k8s.io/api/core/v1"

	"segno/agents/runtime"
	"segno/proto"
)

// Want is one pod as the control plane wants it.
type Want struct {
	Pod *corev1.Pod // nil for something left at the engine that nobody wants
	Seq proto.Seq   // newest event of the pod
	// Gone says that the object no longer exists: everything goes within
	// Grace, and nothing is told.
	Gone  bool
	Grace time.Duration
}

// ending says that the pod is to go.
func (w Want) ending() bool { return w.Gone || w.Pod == nil || w.Pod.DeletionTimestamp != nil }

// grace is how long containers may take to stop.
func (w Want) grace() time.Duration {
	switch {
	case w.Gone || w.Pod == nil:
		return w.Grace
	case w.Pod.DeletionTimestamp != nil && w.Pod.DeletionGracePeriodSeconds != nil:
		return seconds(*w.Pod.DeletionGracePeriodSeconds)
	default:
		return GraceOf(w.Pod)
	}
}

// GraceOf is the grace period that a pod's spec asks for.
func GraceOf(pod *corev1.Pod) time.Duration {
	if pod.Spec.TerminationGracePeriodSeconds != nil {
		return seconds(*pod.Spec.TerminationGracePeriodSeconds)
	}
	return corev1.DefaultTerminationGracePeriodSeconds * time.Second
}

func seconds(n int64) time.Duration { return time.Duration(max(n, 0)) * time.Second }

// State is what is known of one pod on this node.
type State struct {
	Node    Node
	Runtime runtime.Pod // as the engine last said
	Memory  Memory
}

// Node is what pods may know of their node.
type Node struct {
	Name    proto.NodeName
	Address netip.Addr
	Memory  int64 // bytes
	// Given are variables that every container finds, NAME=value each, unless it
	// sets them itself; nil is none.
	Given func() []string
}

// Memory is what the agent did and saw, and the engine cannot tell. It starts
// empty when the agent does; all of it is found again or done again.
type Memory struct {
	Since    time.Time          // first seen: the pod's start time
	Status   corev1.PodStatus   // newest told; the wanted pod's own at first
	Attached string             // id of the sandbox whose network is up
	Released bool               // network and volumes are given back
	Ready    map[string]int     // container: attempt for which its image is there
	Missing  map[string]bool    // container: its image is to be pulled
	Starting runtime.Ref        // whose start was asked for in the step before
	Noted    map[string]bool    // back-offs that people were told of
	Trouble  map[string]Trouble // container, or "" for the pod: what failed last
	Stops    map[runtime.Ref]Stop
	Health   map[string]Health // container id: what probes found
}

// Trouble is a failed effect that is to be tried again.
type Trouble struct {
	Reason   string // as a waiting container shows it
	Message  string
	Failures int // in a row
	At       time.Time
	Retry    time.Time
}

// Stop remembers that a container was asked to stop.
type Stop struct {
	Asked  time.Time
	Killed time.Time
}

// Health is what the probes of a running container found.
type Health struct {
	Started, Ready bool
	Failed         string // why it must be restarted; empty while it lives
}

func newMemory(want Want, now time.Time) Memory {
	m := Memory{
		Since:   now,
		Ready:   map[string]int{},
		Missing: map[string]bool{},
		Trouble: map[string]Trouble{},
		Stops:   map[runtime.Ref]Stop{},
		Health:  map[string]Health{},
	}
	if want.Pod != nil {
		want.Pod.Status.DeepCopyInto(&m.Status)
		if start := want.Pod.Status.StartTime; start != nil {
			m.Since = start.Time
		}
	}
	return m
}
