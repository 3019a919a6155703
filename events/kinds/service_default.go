package kinds

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

func defaultService(service *corev1.Service) {
	spec := &service.Spec
	fill(&spec.Type, corev1.ServiceTypeClusterIP)
	fill(&spec.SessionAffinity, corev1.ServiceAffinityNone)
	switch spec.SessionAffinity {
	case corev1.ServiceAffinityNone:
		spec.SessionAffinityConfig = nil
	case corev1.ServiceAffinityClientIP:
		fillPointer(&spec.SessionAffinityConfig, corev1.SessionAffinityConfig{})
		fillPointer(&spec.SessionAffinityConfig.ClientIP, corev1.ClientIPConfig{})
		fillPointer(&spec.SessionAffinityConfig.ClientIP.TimeoutSeconds, corev1.DefaultClientIPServiceAffinitySeconds)
	}
	for i := range spec.Ports {
		port := &spec.Ports[i]
		fill(&port.Protocol, corev1.ProtocolTCP)
		if port.TargetPort == (intstr.IntOrString{}) || port.TargetPort == intstr.FromString("") {
			port.TargetPort = intstr.FromInt32(port.Port)
		}
	}
	if reachable(spec) {
		fill(&spec.ExternalTrafficPolicy, corev1.ServiceExternalTrafficPolicyCluster)
	}
	if takesTraffic(spec) {
		fillPointer(&spec.InternalTrafficPolicy, corev1.ServiceInternalTrafficPolicyCluster)
	}
	if spec.Type == corev1.ServiceTypeLoadBalancer {
		fillPointer(&spec.AllocateLoadBalancerNodePorts, true)
	}
}

// takesTraffic tells services that the cluster itself routes.
func takesTraffic(spec *corev1.ServiceSpec) bool { return spec.Type != corev1.ServiceTypeExternalName }

// needsNodePort tells services that are reached at a port of every node.
func needsNodePort(spec *corev1.ServiceSpec) bool {
	return spec.Type == corev1.ServiceTypeNodePort ||
		(spec.Type == corev1.ServiceTypeLoadBalancer && deref(spec.AllocateLoadBalancerNodePorts, true))
}

// mayHaveNodePort tells services that can ask for a port of every node.
func mayHaveNodePort(spec *corev1.ServiceSpec) bool {
	return spec.Type == corev1.ServiceTypeNodePort || spec.Type == corev1.ServiceTypeLoadBalancer
}

// reachable tells services that take traffic from outside the cluster.
func reachable(spec *corev1.ServiceSpec) bool {
	return spec.Type == corev1.ServiceTypeLoadBalancer || spec.Type == corev1.ServiceTypeNodePort ||
		(spec.Type == corev1.ServiceTypeClusterIP && len(spec.ExternalIPs) > 0)
}

// prepareServiceUpdate keeps what the system gave to the service when the
// update leaves it out, and takes it back when the new type has no use for it.
func prepareServiceUpdate(service, old *corev1.Service) {
	service.Status = old.Status
	keepAllocated(&service.Spec, &old.Spec)
	dropUnused(&service.Spec, &old.Spec)
	defaultService(service)
	matchIPs(&service.Spec, &old.Spec)
}

func keepAllocated(spec, old *corev1.ServiceSpec) {
	if takesTraffic(spec) && takesTraffic(old) {
		if spec.ClusterIP == "" && len(spec.ClusterIPs) == 0 {
			spec.ClusterIP = old.ClusterIP
		}
		if len(spec.ClusterIPs) == 0 && spec.ClusterIP == old.ClusterIP {
			spec.ClusterIPs = slices.Clone(old.ClusterIPs)
		}
		if len(spec.IPFamilies) == 0 {
			spec.IPFamilies = slices.Clone(old.IPFamilies)
		}
	}
	if needsNodePort(spec) && needsNodePort(old) {
		keepNodePorts(spec, old)
	}
	if wantsHealthPort(spec) && wantsHealthPort(old) {
		fill(&spec.HealthCheckNodePort, old.HealthCheckNodePort)
	}
}

func keepNodePorts(spec, old *corev1.ServiceSpec) {
	named, before := nodePortsOf(spec), sharedPorts(old)
	for i := range spec.Ports {
		port := &spec.Ports[i]
		if kept := before[port.Port][port.Protocol]; port.NodePort == 0 && !named[kept] {
			port.NodePort = kept
		}
	}
}

// matchIPs makes clusterIP the first of clusterIPs, whichever of the two somebody
// wrote; old is nil on create.
func matchIPs(spec, old *corev1.ServiceSpec) {
	if old != nil && spec.ClusterIP != old.ClusterIP && spec.ClusterIP != "" && len(spec.ClusterIPs) > 0 && slices.Equal(spec.ClusterIPs, old.ClusterIPs) {
		spec.ClusterIPs = slices.Concat([]string{spec.ClusterIP}, spec.ClusterIPs[1:])
	}
	if spec.ClusterIP != "" && len(spec.ClusterIPs) == 0 {
		spec.ClusterIPs = []string{spec.ClusterIP}
	}
	if spec.ClusterIP == "" && len(spec.ClusterIPs) > 0 {
		spec.ClusterIP = spec.ClusterIPs[0]
	}
}

func wantsHealthPort(spec *corev1.ServiceSpec) bool {
	return spec.Type == corev1.ServiceTypeLoadBalancer && spec.ExternalTrafficPolicy == corev1.ServiceExternalTrafficPolicyLocal
}

// dropUnused clears only what the update left as it was: something set anew
// is for validation to refuse.
func dropUnused(spec, old *corev1.ServiceSpec) {
	if takesTraffic(old) && !takesTraffic(spec) {
		if slices.Equal(spec.ClusterIPs, old.ClusterIPs) || len(spec.ClusterIPs) == 0 {
			spec.ClusterIP, spec.ClusterIPs = "", nil
		}
		if slices.Equal(spec.IPFamilies, old.IPFamilies) {
			spec.IPFamilies = nil
		}
		if deref(spec.IPFamilyPolicy, "") == deref(old.IPFamilyPolicy, "") {
			spec.IPFamilyPolicy = nil
		}
		spec.InternalTrafficPolicy = nil
	}
	if mayHaveNodePort(old) && !mayHaveNodePort(spec) {
		had := nodePortsOf(old)
		for i := range spec.Ports {
			if had[spec.Ports[i].NodePort] {
				spec.Ports[i].NodePort = 0
			}
		}
	}
	if reachable(old) && !reachable(spec) && spec.ExternalTrafficPolicy == old.ExternalTrafficPolicy {
		spec.ExternalTrafficPolicy = ""
	}
	if wantsHealthPort(old) && !wantsHealthPort(spec) && spec.HealthCheckNodePort == old.HealthCheckNodePort {
		spec.HealthCheckNodePort = 0
	}
	if old.Type == corev1.ServiceTypeLoadBalancer && spec.Type != corev1.ServiceTypeLoadBalancer {
		spec.AllocateLoadBalancerNodePorts = nil
		if deref(spec.LoadBalancerClass, "") == deref(old.LoadBalancerClass, "") {
			spec.LoadBalancerClass = nil
		}
	}
}
