package agents

import (
	"context"
	"errors"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"segno/agents/ingress"
	"segno/agents/network"
	"segno/agents/policy"
	"segno/agents/services"
	"segno/events/ingressrule"
	"segno/proto"
)

// health is what the node's conditions are made of.
type health struct {
	engine   error  // why the container engine does not answer
	network  error  // why pods cannot have a network
	cidr     string // that their network is up with; empty while it is not
	apart    string // which nodes it does not reach; "" is none
	pressure Pressure
	services services.Status // empty where none are served
	policies policy.Status   // empty where they are not tried
	entry    ingress.Status  // empty where no ingress runs
	serves   bool            // services will say something
	assumed  bool            // entry is not what ingress itself said
	former   former
	since    map[corev1.NodeConditionType]condition
}

type condition struct {
	status corev1.ConditionStatus
	at     time.Time
}

// startingHealth is what is known before anything has changed: a node's first
// word about itself has to be true already.
func startingHealth(info *facts) health {
	h := health{engine: info.engine, network: network.ErrNotSetUp, since: map[corev1.NodeConditionType]condition{}}
	if pressure, err := info.machine.Pressure(); err == nil {
		h.pressure = pressure
	}
	return h
}

// conditions is called with the agent's lock held.
func (h *health) conditions() []corev1.NodeCondition {
	now := time.Now()
	var out []corev1.NodeCondition
	set := func(kind corev1.NodeConditionType, status corev1.ConditionStatus, reason, message string) {
		if h.since[kind].status != status {
			h.since[kind] = condition{status, now}
		}
		out = append(out, corev1.NodeCondition{
			Type: kind, Status: status, Reason: reason, Message: message,
			LastHeartbeatTime: metav1.NewTime(now), LastTransitionTime: metav1.NewTime(h.since[kind].at),
		})
	}
	again := func(kind corev1.NodeConditionType) bool {
		was, said := h.former.of(kind, now)
		if said {
			h.since[kind] = condition{was.Status, was.LastTransitionTime.Time}
			out = append(out, was)
		}
		return said
	}
	pressure := func(kind corev1.NodeConditionType, is bool, no, yes, sentence string) {
		if is {
			set(kind, corev1.ConditionTrue, yes, "the node has too little "+sentence)
			return
		}
		set(kind, corev1.ConditionFalse, no, "the node has enough "+sentence)
	}
	pressure(corev1.NodeMemoryPressure, h.pressure.Memory, "KubeletHasSufficientMemory", "KubeletHasInsufficientMemory", "memory")
	pressure(corev1.NodeDiskPressure, h.pressure.Disk, "KubeletHasNoDiskPressure", "KubeletHasDiskPressure", "disk space")
	pressure(corev1.NodePIDPressure, h.pressure.PID, "KubeletHasSufficientPID", "KubeletHasInsufficientPID", "process ids")
	switch {
	case h.cidr != "":
		message := "pods get addresses of the node's CIDR"
		if h.apart != "" {
			message += "; but " + h.apart
		}
		set(corev1.NodeNetworkUnavailable, corev1.ConditionFalse, "NetworkReady", message)
	case errors.Is(h.network, network.ErrHostOnly):
		set(corev1.NodeNetworkUnavailable, corev1.ConditionTrue, "HostNetworkOnly", h.network.Error())
	default:
		set(corev1.NodeNetworkUnavailable, corev1.ConditionTrue, "NetworkNotReady", h.network.Error())
	}
	if h.services.Reason != "" {
		status := corev1.ConditionFalse
		if h.services.Served {
			status = corev1.ConditionTrue
		}
		set(proto.NodeServiceProxy, status, h.services.Reason, h.services.Message)
	} else {
		again(proto.NodeServiceProxy)
	}
	if h.policiesKnown() {
		status, reason, message := h.policyCondition()
		set(nodeNetworkPolicy, status, reason, message)
	} else {
		again(nodeNetworkPolicy)
	}
	if said := again(ingressrule.Condition); !said && h.entry.Reason != "" {
		status := corev1.ConditionFalse
		if h.entry.Reached {
			status = corev1.ConditionTrue
		}
		set(ingressrule.Condition, status, h.entry.Reason, h.entry.Message)
	}
	switch {
	case h.engine != nil:
		set(corev1.NodeReady, corev1.ConditionFalse, "ContainerRuntimeDown", h.engine.Error())
	case h.cidr == "" && !errors.Is(h.network, network.ErrHostOnly):
		set(corev1.NodeReady, corev1.ConditionFalse, "NetworkNotReady", h.network.Error())
	default:
		set(corev1.NodeReady, corev1.ConditionTrue, "KubeletReady", "segno's agent is ready")
	}
	return out
}

// changeHealth changes what is known of the node's health, and has it told
// when a person would see the difference.
func (a *Agent) changeHealth(change func(*health)) bool {
	a.mu.Lock()
	before := a.health.summary()
	change(&a.health)
	a.health.former.forget(&a.health)
	changed := before != a.health.summary()
	a.mu.Unlock()
	if changed {
		notify(a.changed)
	}
	return changed
}

type summary struct {
	engine, network, cidr, apart string
	pressure                     Pressure
	services                     services.Status
	policies                     policy.Status
	entry                        ingress.Status
	assumed                      bool
}

func (h *health) summary() summary {
	return summary{text(h.engine), text(h.network), h.cidr, h.apart, h.pressure, h.services, h.policies, h.entry, h.assumed}
}

func (a *Agent) healthNow() summary {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.health.summary()
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func notify(signal chan struct{}) {
	select {
	case signal <- struct{}{}:
	default:
	}
}

// watchEngine hears of changes at the engine. Losing the engine makes the node
// not ready; its first word when it is back is to look at everything.
func (a *Agent) watchEngine(ctx context.Context) error {
	for failures := 0; ; failures++ {
		answered, err := a.watchEngineOnce(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if answered {
			failures = 0
		}
		if a.changeHealth(func(h *health) { h.engine = err }) {
			a.cfg.Logger.Warn("container engine lost", "error", err)
		}
		if err := again(ctx, failures); err != nil {
			return err
		}
	}
}

// watchEngineOnce follows one stream of events. An engine that sends events
// and does not answer is not there.
func (a *Agent) watchEngineOnce(ctx context.Context) (answered bool, err error) {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	err = a.cfg.Runtime.Watch(ctx, func(uid string) {
		if uid == "" {
			if err := a.engineBack(ctx); err != nil {
				stop(err)
				return
			}
			answered = true
		}
		a.pods.Wake(uid)
	})
	if cause := context.Cause(ctx); cause != nil {
		return answered, cause
	}
	if err == nil {
		err = errors.New("the container engine ended its stream of events")
	}
	return answered, err
}

func (a *Agent) engineBack(ctx context.Context) error {
	info, err := a.cfg.Runtime.Info(ctx)
	if err != nil {
		return err
	}
	a.mu.Lock()
	a.info.system.ContainerRuntimeVersion = info.Version
	a.mu.Unlock()
	if a.changeHealth(func(h *health) { h.engine = nil }) {
		a.cfg.Logger.Info("container engine answers")
	}
	a.setUpNetwork(ctx)
	return nil
}
