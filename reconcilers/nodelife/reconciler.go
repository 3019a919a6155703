package nodelife

import (
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"

	"segno/events"
	"segno/events/podstate"
	"segno/proto"
	"segno/reconcilers"
)

const (
	// component is who the notes are from.
	component = "node-controller"
	// defaultGrace is how long a node may be silent.
	defaultGrace = 40 * time.Second
	// listenAgain is how often a silent node's lease is looked at: leases are
	// not of the EVENTS log, so no change of one triggers a look.
	listenAgain = time.Second
)

// Config says how patient the controller is.
type Config struct {
	// Since is when the controller started: a node whose lease is not known, as
	// after a restart, counts as heard then. Required.
	Since time.Time
	// Grace is how long a node may be silent; default: 40 s.
	Grace time.Duration
}

// Reconciler implements reconcilers.Reconciler. Its keys are nodes.
type Reconciler struct{ cfg Config }

var _ reconcilers.Reconciler = (*Reconciler)(nil)

// New makes the reconciler.
func New(cfg Config) (*Reconciler, error) {
	if cfg.Since.IsZero() {
		return nil, fmt.Errorf("new nodelife: Since must be set")
	}
	if cfg.Grace <= 0 {
		cfg.Grace = defaultGrace
	}
	return &Reconciler{cfg: cfg}, nil
}

// Name is "nodelife".
func (r *Reconciler) Name() string { return "nodelife" }

// Watches says what matters: nodes, and pods that come to a node which does not
// keep all.
func (r *Reconciler) Watches() []reconcilers.Watch {
	return []reconcilers.Watch{
		{Resource: reconcilers.Nodes},
		{Resource: reconcilers.Pods, Keys: keysOfPod},
	}
}

// keysOfPod leads from a pod that comes to a node, or tolerates other taints than
// before, to that node, if it is gone or drives pods away. Whatever else changes
// about a pod is no reason to look: it would pass for the cause of evictions.
func keysOfPod(view events.View, change *reconcilers.Change) ([]reconcilers.Key, error) {
	pod, ok := change.After().(*corev1.Pod)
	if !ok || !change.Significant() || pod.Spec.NodeName == "" || !podstate.Active(pod) {
		return nil, nil
	}
	key := reconcilers.Nodes.Key("", pod.Spec.NodeName)
	node, ok, err := events.GetAs[*corev1.Node](view, key)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", key, err)
	}
	before, _ := change.Before().(*corev1.Pod)
	switch {
	case ok && len(driving(node)) == 0:
		return nil, nil
	case before != nil && before.Spec.NodeName == pod.Spec.NodeName && equality.Semantic.DeepEqual(before.Spec.Tolerations, pod.Spec.Tolerations):
		return nil, nil
	}
	return []reconcilers.Key{key}, nil
}

// look is one look at a node.
type look struct {
	grace    time.Duration
	since    time.Time
	view     events.View
	at       time.Time
	node     *corev1.Node
	pods     []*corev1.Pod
	told     bool // this look says something new of the node: the next one, which follows, sees what
	decision reconcilers.Decision
}

// Reconcile looks at a node and the pods on it.
func (r *Reconciler) Reconcile(view events.View, key reconcilers.Key, at time.Time) (d reconcilers.Decision, err error) {
	node, ok, err := events.GetAs[*corev1.Node](view, key)
	if err != nil {
		return d, fmt.Errorf("read %s: %w", key, err)
	}
	pods, err := podsOn(view, key.Name)
	if err != nil {
		return d, err
	}
	l := &look{grace: r.cfg.Grace, since: r.cfg.Since, view: view, at: at, node: node, pods: pods}
	if !ok {
		l.endDeparted()
		return l.decision, nil
	}
	if err := l.listen(); err != nil {
		return d, err
	}
	return l.decision, l.evict()
}

func podsOn(view events.View, node string) ([]*corev1.Pod, error) {
	pods, err := events.ListAs[*corev1.Pod](view, events.Query{Resource: reconcilers.Pods, Node: proto.NodeName(node)})
	if err != nil {
		return nil, fmt.Errorf("list pods of node %s: %w", node, err)
	}
	return pods, nil
}
