package agents_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"segno/proto"
)

// plane is a control plane of one node in memory: pods in, statuses out. It
// is what package bus and the sequencer are to a real agent.
type plane struct {
	mu       sync.Mutex
	cidr     string
	node     *corev1.Node
	pods     map[string]proto.WantPod // by UID
	statuses map[string]corev1.PodStatus
	nodeSeen corev1.NodeStatus
	reports  []proto.ReportItem // accepted, in order
	ended    []string
	counter  uint64
	relays   map[chan proto.Want]bool
	down     bool
	beats    int
	syncs    int
	lose     bool          // relayed Wants do not arrive
	refuse   int           // so many ends are refused
	slow     time.Duration // how long a registration is on its way
}

func newPlane() *plane {
	return &plane{
		cidr: "10.244.0.0/24", pods: map[string]proto.WantPod{}, statuses: map[string]corev1.PodStatus{},
		relays: map[chan proto.Want]bool{},
	}
}

var errPlaneDown = errors.New("control plane is down")

func (p *plane) answers() error {
	if p.down {
		return errPlaneDown
	}
	return nil
}

func (p *plane) Register(_ context.Context, node *corev1.Node) (*corev1.Node, error) {
	p.mu.Lock()
	slow := p.slow
	p.mu.Unlock()
	time.Sleep(slow) // virtual: under synctest
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.answers(); err != nil {
		return nil, err
	}
	if p.node == nil {
		p.node = node.DeepCopy()
		p.node.UID = types.UID("uid-of-" + node.Name)
	}
	p.node.Spec.PodCIDR = p.cidr
	p.nodeSeen = node.Status
	return p.node.DeepCopy(), nil
}

func (p *plane) Wants(ctx context.Context) (<-chan proto.Want, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.answers(); err != nil {
		return nil, err
	}
	c := make(chan proto.Want, 1000)
	p.relays[c] = true
	context.AfterFunc(ctx, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.hangUp(c)
	})
	return c, nil
}

func (p *plane) hangUp(c chan proto.Want) {
	if p.relays[c] {
		delete(p.relays, c)
		close(c)
	}
}

func (p *plane) Sync(context.Context) (proto.Want, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.answers(); err != nil {
		return proto.Want{}, err
	}
	p.syncs++
	out := proto.Want{Counter: p.counter, Full: true}
	for _, w := range p.pods {
		out.Pods = append(out.Pods, w)
	}
	return out, nil
}

func (p *plane) Report(_ context.Context, r proto.Report) (proto.Reply, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.answers(); err != nil {
		return proto.Reply{}, err
	}
	reply := proto.Reply{Errors: make([]string, len(r.Items))}
	for i, item := range r.Items {
		if item.Ended && p.refuse > 0 {
			p.refuse--
			reply.Errors[i] = "not now"
			continue
		}
		if item.Key.Resource.Name == "nodes" {
			var node corev1.Node
			if err := node.Unmarshal(item.Status); err != nil {
				return reply, err
			}
			p.nodeSeen = node.Status
			continue
		}
		var pod corev1.Pod
		if err := pod.Unmarshal(item.Status); err != nil {
			return reply, err
		}
		p.statuses[item.UID] = pod.Status
		p.reports = append(p.reports, item)
		if item.Ended {
			p.ended = append(p.ended, item.UID)
			delete(p.pods, item.UID)
		}
	}
	return reply, nil
}

func (p *plane) Beat(context.Context) (uint64, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.answers(); err != nil {
		return 0, err
	}
	p.beats++
	return p.counter, nil
}

// setDown ends every subscription, or lets the agent in again.
func (p *plane) setDown(down bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.down = down
	if down {
		for c := range p.relays {
			p.hangUp(c)
		}
	}
}

func (p *plane) apply(t *testing.T, pods ...*corev1.Pod) {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []proto.WantPod
	for _, pod := range pods {
		body, err := pod.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		w := proto.WantPod{Key: proto.Resource{Name: "pods"}.Key(pod.Namespace, pod.Name), UID: string(pod.UID), Seq: proto.Seq(p.counter + 1), Body: body}
		p.pods[w.UID] = w
		out = append(out, w)
	}
	p.relay(out...)
}

// drop removes the object at once, as a forced deletion does.
func (p *plane) drop(uid string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	w := p.pods[uid]
	delete(p.pods, uid)
	w.Gone, w.Body = true, nil
	p.relay(w)
}

// forgetSilently removes the object while the node is not told.
func (p *plane) forgetSilently(uid string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.pods, uid)
}

func (p *plane) relay(pods ...proto.WantPod) {
	p.counter++
	if p.lose {
		return
	}
	for c := range p.relays {
		c <- proto.Want{Counter: p.counter, Pods: pods}
	}
}

func (p *plane) status(uid string) corev1.PodStatus {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.statuses[uid]
}

func (p *plane) nodeStatus() corev1.NodeStatus {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.nodeSeen
}

func (p *plane) with(f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f()
}

// brief is a status in one line.
func brief(s corev1.PodStatus) string {
	parts := []string{string(s.Phase)}
	for _, c := range s.Conditions {
		if c.Type == corev1.PodReady {
			parts = append(parts, "ready="+string(c.Status))
		}
	}
	for _, c := range s.ContainerStatuses {
		state := "?"
		switch {
		case c.State.Running != nil:
			state = "running"
		case c.State.Waiting != nil:
			state = c.State.Waiting.Reason
		case c.State.Terminated != nil:
			state = fmt.Sprintf("%s(%d)", c.State.Terminated.Reason, c.State.Terminated.ExitCode)
		}
		parts = append(parts, fmt.Sprintf("%s=%s/%d", c.Name, state, c.RestartCount))
	}
	return strings.Join(parts, " ")
}
