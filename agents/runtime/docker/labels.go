package docker

import (
	"net/netip"
	"strconv"

	"github.com/moby/moby/client"

	"segno/agents/runtime"
	"segno/proto"
)

// What is written on every container: enough to adopt it.
const (
	labelNode      = "segno.node"
	labelScope     = "segno.scope"
	labelNamespace = "segno.namespace"
	labelPod       = "segno.pod"
	labelUID       = "segno.uid"
	labelContainer = "segno.container" // empty on a sandbox
	labelAttempt   = "segno.attempt"
	labelSandbox   = "segno.sandbox"
	labelStreak    = "segno.streak"
	labelSeq       = "segno.seq"
	labelImage     = "segno.image"
	labelAddress   = "segno.address"
	labelSecond    = "segno.second-address"
	labelHost      = "segno.host-network"
)

// owned matches this node's containers.
func (e *Engine) owned() client.Filters {
	return client.Filters{}.Add("label", labelNode+"="+e.cfg.Node, labelScope+"="+e.cfg.Scope)
}

func (e *Engine) labels(namespace, name, uid string) map[string]string {
	return map[string]string{
		labelNode: e.cfg.Node, labelScope: e.cfg.Scope,
		labelNamespace: namespace, labelPod: name, labelUID: uid,
	}
}

func (e *Engine) sandboxLabels(spec runtime.SandboxSpec) map[string]string {
	labels := e.labels(spec.Namespace, spec.Name, spec.UID)
	labels[labelAttempt] = strconv.Itoa(spec.Attempt)
	labels[labelHost] = strconv.FormatBool(spec.HostNetwork)
	if spec.Address.IsValid() {
		labels[labelAddress] = spec.Address.String()
	}
	if spec.Second.IsValid() {
		labels[labelSecond] = spec.Second.String()
	}
	return labels
}

func (e *Engine) containerLabels(spec runtime.ContainerSpec) map[string]string {
	labels := e.labels(spec.Namespace, spec.Name, spec.UID)
	labels[labelContainer] = spec.Container
	labels[labelAttempt] = strconv.Itoa(spec.Attempt)
	labels[labelSandbox] = strconv.Itoa(spec.Sandbox)
	labels[labelStreak] = strconv.Itoa(spec.Streak)
	labels[labelSeq] = strconv.FormatUint(uint64(spec.Seq), 10)
	labels[labelImage] = spec.Image
	return labels
}

// number reads a label that this package wrote.
func number(labels map[string]string, name string) int {
	n, _ := strconv.Atoi(labels[name])
	return n
}

func seqOf(labels map[string]string) proto.Seq {
	n, _ := strconv.ParseUint(labels[labelSeq], 10, 64)
	return proto.Seq(n)
}

func addressOf(labels map[string]string, label string) netip.Addr {
	address, _ := netip.ParseAddr(labels[label])
	return address
}
