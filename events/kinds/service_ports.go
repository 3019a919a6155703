package kinds

import (
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// assignPorts gives each port of the service one of every node, as far as it
// needs one, and checks those that are named.
func (a allocation) assignPorts() field.ErrorList {
	spec := &a.service.Spec
	if !mayHaveNodePort(spec) {
		return nil
	}
	var errs field.ErrorList
	mine, kept := nodePortsOf(spec), map[int32]bool{}
	if a.old != nil {
		kept = nodePortsOf(a.old)
	}
	for i := range spec.Ports {
		if number := spec.Ports[i].NodePort; number != 0 && !kept[number] {
			if err := a.chosenPort(number); err != nil {
				errs = append(errs, field.Invalid(nodePortPath(i), number, err.Error()))
			}
		}
	}
	if !needsNodePort(spec) {
		return errs
	}
	shared := sharedPorts(spec)
	for i := range spec.Ports {
		port := &spec.Ports[i]
		if port.NodePort != 0 {
			continue
		}
		number := shared.of(port) // one number for TCP and UDP of the same port
		if number == 0 {
			var err error
			if number, err = a.freePort(fmt.Sprintf("%s/%d", port.Protocol, port.Port), mine); err != nil {
				return append(errs, field.InternalError(nodePortPath(i), fmt.Errorf("failed to allocate a nodePort: %w", err)))
			}
		}
		port.NodePort, mine[number] = number, true
		shared.add(port)
	}
	return errs
}

func nodePortPath(i int) *field.Path { return specPath.Child("ports").Index(i).Child("nodePort") }

// assignHealthPort gives a port at which load balancers ask nodes for local
// endpoints.
func (a allocation) assignHealthPort() field.ErrorList {
	spec, path := &a.service.Spec, specPath.Child("healthCheckNodePort")
	switch number := spec.HealthCheckNodePort; {
	case !wantsHealthPort(spec):
		return nil
	case number == 0:
		free, err := a.freePort("healthCheckNodePort", nodePortsOf(spec))
		if err != nil {
			return field.ErrorList{field.InternalError(path, fmt.Errorf("failed to allocate a HealthCheck NodePort: %w", err))}
		}
		spec.HealthCheckNodePort = free
		return nil
	case a.old != nil && a.old.HealthCheckNodePort == number:
		return nil
	case nodePortsOf(spec)[number]:
		return field.ErrorList{field.Invalid(path, number, "is the nodePort of one of its ports")}
	default:
		if err := a.chosenPort(number); err != nil {
			return field.ErrorList{field.Invalid(path, number, fmt.Sprintf("failed to allocate requested HealthCheck NodePort %d: %v", number, err))}
		}
		return nil
	}
}

// chosenPort tells what is wrong with a node port that somebody asked for.
func (a allocation) chosenPort(number int32) error {
	switch {
	case !a.ranges.Ports.Contains(number):
		return fmt.Errorf("provided port is not in the valid range. The range of valid ports is %s", a.ranges.Ports)
	case a.used.ports[number] || a.keepsHealthPort(number):
		return errors.New("provided port is already allocated")
	default:
		return nil
	}
}

// keepsHealthPort tells whether the port is the service's own for load balancers.
func (a allocation) keepsHealthPort(number int32) bool {
	return a.old != nil && a.old.HealthCheckNodePort == number && a.service.Spec.HealthCheckNodePort == number
}

func (a allocation) freePort(purpose string, mine map[int32]bool) (int32, error) {
	n, ok := portsOf(a.ranges.Ports).find(seed(a.service, purpose), func(n uint32) bool {
		number := a.ranges.Ports.First + int32(n)
		return a.used.ports[number] || mine[number] || number == a.service.Spec.HealthCheckNodePort
	})
	if !ok {
		return 0, fmt.Errorf("range is full: all ports of %s are in use", a.ranges.Ports)
	}
	return a.ranges.Ports.First + int32(n), nil
}

// nodePortsOf are the node ports that a service has.
func nodePortsOf(spec *corev1.ServiceSpec) map[int32]bool {
	out := make(map[int32]bool, len(spec.Ports))
	for i := range spec.Ports {
		if number := spec.Ports[i].NodePort; number != 0 {
			out[number] = true
		}
	}
	return out
}

// numbered are node ports by the port that they are for and its protocol.
type numbered map[int32]map[corev1.Protocol]int32

func sharedPorts(spec *corev1.ServiceSpec) numbered {
	out := numbered{}
	for i := range spec.Ports {
		if spec.Ports[i].NodePort != 0 {
			out.add(&spec.Ports[i])
		}
	}
	return out
}

func (n numbered) add(port *corev1.ServicePort) {
	if n[port.Port] == nil {
		n[port.Port] = map[corev1.Protocol]int32{}
	}
	n[port.Port][port.Protocol] = port.NodePort
}

// of is the node port of the same port of another protocol; 0 is none.
func (n numbered) of(port *corev1.ServicePort) int32 {
	for _, protocol := range protocols {
		if number := n[port.Port][protocol]; number != 0 && protocol != port.Protocol {
			return number
		}
	}
	return 0
}
