package kinds

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

var protocols = []corev1.Protocol{corev1.ProtocolSCTP, corev1.ProtocolTCP, corev1.ProtocolUDP}

// validatePorts checks the ports of one container.
func validatePorts(path *field.Path, ports []corev1.ContainerPort, hostNetwork bool) field.ErrorList {
	names := sets.New[string]()
	return each(path, ports, func(path *field.Path, port *corev1.ContainerPort) field.ErrorList {
		return slices.Concat(
			validatePortName(path.Child("name"), port.Name, names),
			validateContainerPort(path, port, hostNetwork),
			oneOf(path.Child("protocol"), port.Protocol, protocols...),
			validateHostIP(path.Child("hostIP"), port.HostIP),
		)
	})
}

func validatePortName(path *field.Path, name string, seen sets.Set[string]) field.ErrorList {
	if name == "" {
		return nil
	}
	if errs := invalid(path, name, validation.IsValidPortName(name)); len(errs) > 0 {
		return errs
	}
	return unique(path, name, seen)
}

func validateContainerPort(path *field.Path, port *corev1.ContainerPort, hostNetwork bool) field.ErrorList {
	if port.ContainerPort == 0 {
		return field.ErrorList{field.Required(path.Child("containerPort"), "")}
	}
	errs := portNumber(path.Child("containerPort"), port.ContainerPort)
	if port.HostPort != 0 {
		errs = append(errs, portNumber(path.Child("hostPort"), port.HostPort)...)
	}
	return append(errs, only(hostNetwork && port.HostPort != 0 && port.HostPort != port.ContainerPort,
		field.Invalid(path.Child("containerPort"), port.ContainerPort, "must match `hostPort` when `hostNetwork` is true"))...)
}

func validateHostIP(path *field.Path, ip string) field.ErrorList {
	if ip == "" {
		return nil
	}
	return validation.IsValidIPForLegacyField(path, ip, false, nil)
}

// validateHostPorts reports two containers of one pod on the same port of the node.
func validateHostPorts(path *field.Path, containers []corev1.Container) field.ErrorList {
	var errs field.ErrorList
	seen := sets.New[string]()
	for i := range containers {
		for j := range containers[i].Ports {
			port := &containers[i].Ports[j]
			if port.HostPort == 0 {
				continue
			}
			key := fmt.Sprintf("%s/%s/%d", port.Protocol, port.HostIP, port.HostPort)
			errs = append(errs, unique(path.Index(i).Child("ports").Index(j).Child("hostPort"), key, seen)...)
		}
	}
	return errs
}
