package ingressrule

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
)

// Port is the port of a Service that an Ingress means. The error tells a person
// why there is none.
func Port(service *corev1.Service, wanted networkingv1.ServiceBackendPort) (*corev1.ServicePort, error) {
	if service.Spec.Type == corev1.ServiceTypeExternalName {
		return nil, fmt.Errorf("it is only another name (type %s), which Ingresses do not lead to", service.Spec.Type)
	}
	var has []string
	for i := range service.Spec.Ports {
		port := &service.Spec.Ports[i]
		if port.Protocol != corev1.ProtocolTCP && port.Protocol != "" {
			continue
		}
		if wanted.Name != "" && port.Name == wanted.Name || wanted.Name == "" && port.Port == wanted.Number {
			return port, nil
		}
		has = append(has, strings.TrimPrefix(fmt.Sprintf("%s:%d", port.Name, port.Port), ":"))
	}
	text := wanted.Name
	if text == "" {
		text = fmt.Sprint(wanted.Number)
	}
	if len(has) == 0 {
		return nil, fmt.Errorf("it has no port %s, nor any other of TCP", text)
	}
	return nil, fmt.Errorf("it has no port %s; it has %s", text, strings.Join(has, ", "))
}

// Backends are those that an Ingress names, its default first.
func Backends(ingress *networkingv1.Ingress) []*networkingv1.IngressBackend {
	var all []*networkingv1.IngressBackend
	if ingress.Spec.DefaultBackend != nil {
		all = append(all, ingress.Spec.DefaultBackend)
	}
	for i := range ingress.Spec.Rules {
		rule := &ingress.Spec.Rules[i]
		if rule.HTTP == nil {
			continue
		}
		for j := range rule.HTTP.Paths {
			all = append(all, &rule.HTTP.Paths[j].Backend)
		}
	}
	return all
}
