package scheduler

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"segno/events"
	"segno/events/podstate"
	"segno/proto"
	"segno/reconcilers"
)

const (
	// atOnce is how many pods are bound in one transaction, and room how many
	// bytes of pods: each is written again.
	atOnce = 500
	room   = proto.MaxEnvelope / 2
)

// answer makes commands of a pass. Pods that were last changed by one
// transaction share one, which has that as its cause; the rest do not wait for
// one another.
func (p *pass) answer(at time.Time) (d reconcilers.Decision, err error) {
	d.Unordered = true
	var bindings, verdicts groups
	for _, placed := range p.placed {
		seq, err := proto.ParseSeq(placed.pod.ResourceVersion)
		if err != nil {
			return d, fmt.Errorf("bind pod %s/%s: %w", placed.pod.Namespace, placed.pod.Name, err)
		}
		key := reconcilers.Pods.Key(placed.pod.Namespace, placed.pod.Name)
		bindings.add(seq, placed.pod.Size(), events.Bind{Key: key, UID: placed.pod.UID, Node: placed.node, Version: seq})
		d.Notes = append(d.Notes, note(placed.pod, key, false, "Scheduled", fmt.Sprintf(
			"Successfully assigned %s/%s to %s", placed.pod.Namespace, placed.pod.Name, placed.node)))
	}
	why := map[*class]string{}
	for _, pod := range p.failed {
		c := p.classOf(pod)
		if why[c] == "" {
			why[c] = c.verdict()
		}
		told := events.Copy(pod)
		if !podstate.SetCondition(told, corev1.PodCondition{
			Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: corev1.PodReasonUnschedulable, Message: why[c],
		}, reconcilers.Stamp(at)) {
			continue
		}
		seq, err := proto.ParseSeq(pod.ResourceVersion)
		if err != nil {
			return d, fmt.Errorf("report pod %s/%s: %w", pod.Namespace, pod.Name, err)
		}
		key := reconcilers.Pods.Key(pod.Namespace, pod.Name)
		verdicts.add(seq, pod.Size(), events.Update{Key: key, Subresource: events.SubStatus, Object: told})
		d.Notes = append(d.Notes, note(pod, key, true, "FailedScheduling", why[c]))
	}
	bindings.commands(&d, "Scheduled")
	verdicts.commands(&d, corev1.PodReasonUnschedulable)
	return d, nil
}

// verdict says why no node takes the class.
func (c *class) verdict() string {
	if len(c.nodes) == 0 {
		return "no nodes available to schedule pods"
	}
	count := map[string]int{}
	for i, n := range c.nodes {
		if c.out[i] != "" {
			count[c.out[i]]++
			continue
		}
		for _, reason := range shortOf(n, &c.demand) {
			count[reason]++
		}
	}
	reasons := make([]string, 0, len(count))
	for reason, n := range count {
		reasons = append(reasons, fmt.Sprintf("%d %s", n, reason))
	}
	slices.Sort(reasons)
	return fmt.Sprintf("0/%d nodes are available: %s.", len(c.nodes), strings.Join(reasons, ", "))
}

func note(pod *corev1.Pod, key proto.ObjectKey, warning bool, reason, message string) reconcilers.Note {
	return reconcilers.Note{
		About: reconcilers.About(reconcilers.PodKind, pod), Warning: warning, Reason: reason, Message: message,
		From: component, Needs: key,
	}
}

// groups collects actions by their cause.
type groups struct{ of map[proto.Seq]*causal }

// causal is what one cause leads to, in transactions that are not too large.
type causal struct {
	full    [][]events.Action
	actions []events.Action
	size    int
}

func (g *groups) add(cause proto.Seq, size int, action events.Action) {
	if g.of == nil {
		g.of = map[proto.Seq]*causal{}
	}
	c := g.of[cause]
	if c == nil {
		c = &causal{}
		g.of[cause] = c
	}
	if len(c.actions) >= atOnce || (len(c.actions) > 0 && c.size+size > room) {
		c.full = append(c.full, c.actions)
		c.actions, c.size = nil, 0
	}
	c.actions = append(c.actions, action)
	c.size += size
}

// commands writes the transactions into a decision, the earliest cause first.
func (g *groups) commands(d *reconcilers.Decision, reason string) {
	for _, cause := range slices.Sorted(maps.Keys(g.of)) {
		c := g.of[cause]
		for _, actions := range append(c.full, c.actions) {
			d.Do(reason, actions...)
			d.Commands[len(d.Commands)-1].Cause = proto.Cause{Seq: cause}
		}
	}
}
