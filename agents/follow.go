package agents

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	corev1 "k8s.io/api/core/v1"

	"segno/agents/pod"
	"segno/agents/wait"
	"segno/proto"
)

// goneGrace is what containers get whose pod's object was removed at once: a
// person asked for no grace, the node gives the process a moment.
const goneGrace = 2 * time.Second

// follow registers the node and applies what is relayed to it, for ever.
func (a *Agent) follow(ctx context.Context) error {
	return a.keepOn(ctx, "nothing new is known from the control plane; pods go on", a.followOnce)
}

// keepOn follows a feed for ever, by one connection after the other. A failure
// means only that nothing new is known.
func (a *Agent) keepOn(ctx context.Context, failed string, once func(context.Context) (synced bool, err error)) error {
	for failures := 0; ; {
		synced, err := once(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if synced {
			failures = 0
		}
		if err != nil && failures == 0 {
			a.cfg.Logger.Warn(failed, "error", err)
		}
		if err := again(ctx, failures); err != nil {
			return err
		}
		failures++
	}
}

// again waits before what failed so many times in a row is tried again.
func again(ctx context.Context, failures int) error {
	const first, most = 200 * time.Millisecond, 5 * time.Second
	return wait.For(ctx, wait.Spread(first, most, failures))
}

// followOnce is one connection's life: subscribe, then read everything, then
// what changes; in this order nothing falls between.
func (a *Agent) followOnce(ctx context.Context) (synced bool, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	wants, err := a.cfg.Link.Wants(ctx)
	if err != nil {
		return false, fmt.Errorf("subscribe to wants: %w", err)
	}
	if err := a.recall(ctx); err != nil {
		return false, err
	}
	if err := a.register(ctx); err != nil {
		return false, err
	}
	if err := a.own.sync(ctx); err != nil {
		return false, err
	}
	register := time.NewTimer(a.registerAgain())
	defer register.Stop()
	for {
		select {
		case <-ctx.Done():
			return true, ctx.Err()
		case <-register.C:
			if err = a.register(ctx); err == nil {
				err = a.own.sync(ctx) // also finds an end that was told and not taken
			}
			register.Reset(a.registerAgain())
		case <-a.behind:
			err = a.own.sync(ctx)
		case want, open := <-wants:
			if !open {
				return true, nil
			}
			err = a.own.relayed(ctx, want)
		}
		if err != nil {
			return true, err
		}
	}
}

// registerAgain is when the Node object is registered once more: soon while it
// has no pod CIDR, and now and then because a person may have deleted it. That
// also tells a status that did not change.
func (a *Agent) registerAgain() time.Duration {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.node == nil || a.node.Spec.PodCIDR == "" {
		return time.Second
	}
	return a.cfg.StatusPeriod
}

// applyAll makes what the node should run exactly what the message has. A pod
// that cannot be read stays as it is.
func (a *Agent) applyAll(ctx context.Context, all proto.Want) {
	wants := make([]pod.Want, 0, len(all.Pods))
	var certificates []*corev1.Secret
	var unread []string
	for i := range all.Pods {
		p := &all.Pods[i]
		if p.Gone || p.Key.Resource == nodes {
			a.applyOne(ctx, p)
			continue
		}
		if p.Key.Resource == secrets {
			if secret, ok := a.readSecret(p); ok {
				certificates = append(certificates, secret)
			}
			continue
		}
		if want, ok := a.keep(p); ok {
			wants = append(wants, want)
		} else {
			unread = append(unread, p.UID)
		}
	}
	a.pods.WantAll(wants, unread...)
	a.entry.takeCertificates(certificates)
}

// applyOne does not fail: what is wrong with one object must not keep others
// from the node.
func (a *Agent) applyOne(ctx context.Context, p *proto.WantPod) {
	switch {
	case p.Key.Resource == nodes && p.Gone:
		a.cfg.Logger.Warn("the Node object was deleted; it is registered again within the status period")
	case p.Key.Resource == nodes:
		node := &corev1.Node{}
		err := node.Unmarshal(p.Body)
		if err == nil {
			err = a.setNode(ctx, node)
		}
		if err != nil {
			a.cfg.Logger.Error("the Node object was not taken", "error", err)
		}
	case p.Key.Resource == secrets:
		a.takeSecret(p)
	case p.Gone:
		a.pods.Gone(p.UID, goneGrace)
	default:
		if want, ok := a.keep(p); ok {
			a.pods.Want(want)
		}
	}
}

// keep makes a wanted pod durable before anything is done about it. When the
// disk does not take it the pod is wanted all the same: only an agent that is
// started anew without a control plane would miss the change. Not ok is a pod
// that cannot be read.
func (a *Agent) keep(p *proto.WantPod) (want pod.Want, ok bool) {
	want, err := decode(p)
	if err != nil {
		a.cfg.Logger.Error("a pod that is wanted cannot be read", "pod", p.Key.String(), "error", err)
		return want, false
	}
	if a.cfg.StateDir == "" {
		return want, true
	}
	if err := a.wanted.Put(p.UID, proto.Pack(p)); err != nil {
		a.cfg.Logger.Error("what is wanted of a pod is not durable on this node", "pod", p.Key.String(), "error", err)
	}
	return want, true
}

func decode(p *proto.WantPod) (pod.Want, error) {
	out := &corev1.Pod{}
	if err := out.Unmarshal(p.Body); err != nil {
		return pod.Want{}, fmt.Errorf("decode %s: %w", p.Key, err)
	}
	if string(out.UID) != p.UID {
		return pod.Want{}, fmt.Errorf("decode %s: its UID is %q, not %q", p.Key, out.UID, p.UID)
	}
	return pod.Want{Pod: out, Seq: p.Seq}, nil
}

// remember starts from what an earlier agent kept.
func (a *Agent) remember() error {
	kept, err := a.wanted.All()
	if err != nil {
		return err
	}
	if kept.Lost != nil {
		a.cfg.Logger.Warn("kept pods were lost with the machine; the control plane has them", "error", kept.Lost)
	}
	told, err := a.told.All()
	if err != nil {
		return err
	}
	if told.Lost != nil {
		a.cfg.Logger.Warn("kept statuses were lost with the machine; they are made anew", "error", told.Lost)
	}
	for uid, data := range kept.Whole {
		want, err := remembered(data, told.Whole[uid])
		if err != nil {
			a.cfg.Logger.Warn("unreadable pod; the control plane has it", "uid", uid, "error", err)
			continue
		}
		a.pods.Want(want)
	}
	return a.rememberNode()
}

// remembered is a kept pod with the newest status that was told of it.
func remembered(record, told []byte) (pod.Want, error) {
	var p proto.WantPod
	if err := proto.Unpack(record, &p); err != nil {
		return pod.Want{}, err
	}
	want, err := decode(&p)
	if err != nil || told == nil {
		return want, err
	}
	var newest corev1.Pod
	if err := newest.Unmarshal(told); err != nil {
		return want, fmt.Errorf("decode the status of %s: %w", p.Key, err)
	}
	want.Pod.Status = newest.Status
	return want, nil
}

// held answers the addresses of the sandboxes that are there.
func (a *Agent) held(ctx context.Context) (map[string]netip.Addr, error) {
	pods, err := a.cfg.Runtime.List(ctx)
	if err != nil {
		return nil, err
	}
	out := map[string]netip.Addr{}
	for _, p := range pods {
		if p.Sandbox != nil && p.Sandbox.Address.IsValid() && !p.Sandbox.HostNetwork {
			out[p.UID] = p.Sandbox.Address
		}
	}
	return out, nil
}
