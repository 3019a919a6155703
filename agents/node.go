package agents

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"segno/agents/network"
	"segno/events/ingressrule"
	"segno/proto"
)

var nodes = proto.Resource{Name: "nodes"}

// register creates or updates the Node object, and takes what comes back.
func (a *Agent) register(ctx context.Context) error {
	said := a.healthNow()
	node, err := a.cfg.Link.Register(ctx, a.describe())
	if err != nil {
		return fmt.Errorf("register node %s: %w", a.cfg.Node, err)
	}
	a.heardOf()
	if err := a.setNode(ctx, node); err != nil {
		return err
	}
	if a.healthNow() != said {
		a.report() // what was reported meanwhile may have come before this registration, which says less
	}
	return nil
}

// describe is the Node object as this agent has it.
func (a *Agent) describe() *corev1.Node {
	labels := map[string]string{
		corev1.LabelHostname:   string(a.cfg.Node),
		corev1.LabelOSStable:   a.info.system.OperatingSystem,
		corev1.LabelArchStable: a.info.system.Architecture,
	}
	maps.Copy(labels, a.cfg.Labels)
	return &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: string(a.cfg.Node), Labels: labels, Annotations: a.annotations()},
		Spec:       corev1.NodeSpec{Taints: a.cfg.Taints},
		Status:     a.status(),
	}
}

// status is the node's as it is now.
func (a *Agent) status() corev1.NodeStatus {
	a.mu.Lock()
	defer a.mu.Unlock()
	allocatable := a.info.capacity.DeepCopy()
	addresses := []corev1.NodeAddress{{Type: corev1.NodeHostName, Address: string(a.cfg.Node)}}
	if a.cfg.Address.IsValid() {
		internal := corev1.NodeAddress{Type: corev1.NodeInternalIP, Address: a.cfg.Address.String()}
		addresses = append([]corev1.NodeAddress{internal}, addresses...)
	}
	return corev1.NodeStatus{
		Capacity: a.info.capacity, Allocatable: allocatable,
		Conditions: a.health.conditions(), Addresses: addresses, NodeInfo: a.info.system,
	}
}

// report tells the node's status. Several may at once: one after the other, or an
// older status would be told after a newer one and stay.
func (a *Agent) report() {
	a.reporting.Lock()
	defer a.reporting.Unlock()
	a.mu.Lock()
	node, registered := a.node, a.registered
	a.mu.Unlock()
	if !registered {
		return // registration carries it
	}
	status := a.status()
	a.noteNode(string(node.UID), status)
	body, err := (&corev1.Node{Status: status}).Marshal()
	if err != nil {
		a.cfg.Logger.Error("encode the node's status", "error", err)
		return
	}
	a.tell(proto.ReportItem{Key: nodes.Key("", string(a.cfg.Node)), UID: string(node.UID), Reason: "NodeStatus", Status: body})
}

// setNode takes the Node object as the control plane has it; its pod CIDR
// readies the network, and a label of it says whether ingress runs here.
func (a *Agent) setNode(ctx context.Context, node *corev1.Node) error {
	if node.Name != string(a.cfg.Node) {
		return fmt.Errorf("register node %s: the answer is about node %s", a.cfg.Node, node.Name)
	}
	a.mu.Lock()
	first, before := !a.registered || a.node.UID != node.UID, a.node
	a.node, a.registered = node, true
	a.mu.Unlock()
	if chosen := ingressrule.Chosen(node); a.entry.choose(chosen) && chosen {
		notify(a.behind) // all certificates that there are for it
	}
	if data, err := node.Marshal(); err != nil {
		return fmt.Errorf("encode node %s: %w", a.cfg.Node, err)
	} else if before == nil || before.UID != node.UID || cidrsOf(before) != cidrsOf(node) || ingressrule.Chosen(before) != ingressrule.Chosen(node) {
		if err := a.self.Put("node", data); err != nil {
			a.cfg.Logger.Error("the Node object is not durable on this node", "error", err)
		}
	}
	a.setUpNetwork(ctx)
	select {
	case a.moved <- struct{}{}:
	default: // it is to be looked at anyway
	}
	if first {
		a.report()
	}
	return nil
}

// rememberNode starts with the pod CIDR of an earlier agent, and with its ingress.
func (a *Agent) rememberNode() error {
	records, err := a.self.All()
	if err != nil {
		return err
	}
	if records.Lost != nil {
		a.cfg.Logger.Warn("the kept Node object was lost with the machine; the control plane has it", "error", records.Lost)
	}
	node := &corev1.Node{}
	if data, kept := records.Whole["node"]; kept && node.Unmarshal(data) == nil && node.Name == string(a.cfg.Node) {
		a.node = node
		a.entry.choose(ingressrule.Chosen(node))
	}
	return nil
}

// setUpNetwork readies the network once CIDR and engine are known, and wakes
// the pods that wait for it. A node that was deleted may come back with another
// CIDR: the network then waits for the former pods to go, and is not up.
func (a *Agent) setUpNetwork(ctx context.Context) {
	a.mu.Lock()
	node := a.node
	a.mu.Unlock()
	a.setUpNetworkOf(ctx, node)
}

func (a *Agent) setUpNetworkOf(ctx context.Context, node *corev1.Node) {
	if node == nil || node.Spec.PodCIDR == "" {
		return
	}
	cidr := cidrsOf(node)
	a.mu.Lock()
	up := a.health.cidr == cidr
	a.mu.Unlock()
	if up {
		return
	}
	err := a.setUp(ctx, cidr)
	if err != nil {
		cidr = ""
	}
	if err == nil || errors.Is(err, network.ErrHostOnly) {
		a.wired.Do(func() { close(a.cabled) })
	}
	if a.changeHealth(func(h *health) { h.cidr, h.network = cidr, err }) && err == nil {
		a.pods.Wake("")
	}
}

// cidrsOf are the ranges of a node, the first one before a comma.
func cidrsOf(node *corev1.Node) string {
	return strings.Join(podCIDRs(node), ",")
}

func podCIDRs(node *corev1.Node) []string {
	if len(node.Spec.PodCIDRs) == 0 {
		return []string{node.Spec.PodCIDR}
	}
	return node.Spec.PodCIDRs
}

func (a *Agent) setUp(ctx context.Context, text string) error {
	var cidrs []netip.Prefix
	for one := range strings.SplitSeq(text, ",") {
		cidr, err := netip.ParsePrefix(one)
		if err != nil {
			return fmt.Errorf("pod CIDR of node %s: %w", a.cfg.Node, err)
		}
		cidrs = append(cidrs, cidr)
	}
	held, err := a.held(ctx)
	if err != nil {
		return err
	}
	return a.cfg.Network.Setup(ctx, cidrs, held)
}
