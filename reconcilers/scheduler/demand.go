package scheduler

import (
	"math"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	resourcehelper "k8s.io/component-helpers/resource"
)

// amounts are quantities of resources: cpu in thousandths, the rest in units.
type amounts struct {
	cpu, memory, storage int64
	more                 map[corev1.ResourceName]int64 // extended resources, huge pages
}

// sum adds two amounts. What is more than can be counted stays the most that can.
func sum(a, b int64) int64 {
	if b > 0 && a > math.MaxInt64-b {
		return math.MaxInt64
	}
	return a + b
}

// demand is what a pod takes of a node.
type demand struct {
	amounts
	// cpuGuess and memoryGuess are cpu and memory with a guess where the pod does
	// not say: for the score only, so that such pods spread too.
	cpuGuess, memoryGuess int64
	ports                 []hostPort
}

// What Kubernetes guesses of a container that requests nothing.
const (
	guessedCPU    = 100
	guessedMemory = 200 << 20
)

// hostPort is a port of the node itself.
type hostPort struct {
	ip       string // "" is all addresses
	protocol corev1.Protocol
	port     int32
}

func (a hostPort) clashes(b hostPort) bool {
	return a.port == b.port && a.protocol == b.protocol && (a.ip == b.ip || a.ip == "" || b.ip == "")
}

// demandOf adds up what a pod requests.
func demandOf(pod *corev1.Pod) (d demand) {
	spec := &pod.Spec
	if len(spec.InitContainers) == 0 && spec.Resources == nil && len(spec.Overhead) == 0 {
		for i := range spec.Containers {
			d.addList(spec.Containers[i].Resources.Requests)
		}
	} else {
		d.addList(resourcehelper.PodRequests(pod, resourcehelper.PodResourcesOptions{}))
	}
	d.cpuGuess, d.memoryGuess = d.cpu, d.memory
	for i := range spec.Containers {
		c := &spec.Containers[i]
		if c.Resources.Requests.Cpu().IsZero() {
			d.cpuGuess = sum(d.cpuGuess, guessedCPU)
		}
		if c.Resources.Requests.Memory().IsZero() {
			d.memoryGuess = sum(d.memoryGuess, guessedMemory)
		}
		for _, port := range c.Ports {
			if port.HostPort > 0 {
				d.ports = append(d.ports, newHostPort(port))
			}
		}
	}
	return d
}

func newHostPort(port corev1.ContainerPort) hostPort {
	ip := port.HostIP
	if ip == "0.0.0.0" || ip == "::" {
		ip = ""
	}
	protocol := port.Protocol
	if protocol == "" {
		protocol = corev1.ProtocolTCP
	}
	return hostPort{ip: ip, protocol: protocol, port: port.HostPort}
}

// addList adds quantities.
func (a *amounts) addList(list corev1.ResourceList) {
	for name, quantity := range list {
		a.add(name, quantity)
	}
}

func (a *amounts) add(name corev1.ResourceName, quantity resource.Quantity) {
	switch name {
	case corev1.ResourceCPU:
		a.cpu = sum(a.cpu, quantity.MilliValue())
	case corev1.ResourceMemory:
		a.memory = sum(a.memory, quantity.Value())
	case corev1.ResourceEphemeralStorage:
		a.storage = sum(a.storage, quantity.Value())
	case corev1.ResourcePods: // a node's capacity, which is counted apart
	default:
		if a.more == nil {
			a.more = map[corev1.ResourceName]int64{}
		}
		a.more[name] = sum(a.more[name], quantity.Value())
	}
}
