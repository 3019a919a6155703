package policy

import (
	"net/netip"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"segno/agents/catalog"
	"segno/proto"
)

// learn takes what changed in the catalog.
func (e *Enforcer) learn(changed []proto.ObjectKey) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, key := range changed {
		name := types.NamespacedName{Namespace: key.Namespace, Name: key.Name}
		switch key.Resource {
		case catalog.Policies:
			policy, _ := e.cfg.Catalog.Policy(key)
			e.flawed(name, e.planner.SetPolicy(name, policy))
		case catalog.Namespaces:
			namespace, there := e.cfg.Catalog.Namespace(key)
			if there {
				e.planner.SetNamespace(key.Name, namespace.Labels, true)
			} else {
				e.planner.SetNamespace(key.Name, nil, false)
			}
		case catalog.Pods:
			e.learnPod(key, name)
		}
	}
}

// flawed logs what makes no sense in a policy, once.
func (e *Enforcer) flawed(name types.NamespacedName, err error) {
	if err == nil {
		delete(e.flaws, name)
		return
	}
	if e.flaws[name] != err.Error() {
		e.flaws[name] = err.Error()
		e.cfg.Logger.Error("a part of a NetworkPolicy makes no sense, and allows nothing", "policy", name.String(), "error", err)
	}
}

// learnPod takes a pod of the cluster. One of this node is isolated also before
// the agent has looked at it, as after a restart; what the agent says of an
// address counts for more.
func (e *Enforcer) learnPod(key proto.ObjectKey, name types.NamespacedName) {
	var pod *Pod
	object, there := e.cfg.Catalog.Pod(key)
	if there {
		pod = FromObject(object)
	}
	e.planner.SetPod(name, pod)
	former := e.told[key]
	delete(e.told, key)
	if former != nil {
		for _, a := range former.Addresses {
			if _, ours := e.attached[a]; !ours && (pod == nil || object.Spec.NodeName != e.cfg.Node || pod.UID != former.UID) {
				e.planner.SetLocal(a, nil)
			}
		}
	}
	if pod == nil || object.Spec.NodeName != e.cfg.Node {
		return
	}
	e.told[key] = pod
	for _, a := range pod.Addresses {
		if uid, ours := e.attached[a]; !ours || uid == pod.UID {
			e.planner.SetLocal(a, pod)
		}
	}
}

// FromObject is a pod as policies see it.
func FromObject(object *corev1.Pod) *Pod {
	p := &Pod{
		Name: types.NamespacedName{Namespace: object.Namespace, Name: object.Name}, UID: object.UID, Labels: object.Labels,
	}
	for _, ip := range object.Status.PodIPs {
		if a, err := netip.ParseAddr(ip.IP); err == nil {
			p.Addresses = append(p.Addresses, a.Unmap())
		}
	}
	for _, containers := range [][]corev1.Container{object.Spec.InitContainers, object.Spec.Containers} {
		for i := range containers {
			for _, port := range containers[i].Ports {
				if port.Name != "" && port.ContainerPort > 0 && port.ContainerPort < 1<<16 {
					p.Ports = append(p.Ports, Port{port.Name, port.Protocol, uint16(port.ContainerPort)})
				}
			}
		}
	}
	return p
}
