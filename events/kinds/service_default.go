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
		defaultFamilies(spec)
	}
	if spec.Type == corev1.ServiceTypeLoadBalancer {
		fillPointer(&spec.AllocateLoadBalancerNodePorts, true)
	}
	if spec.ClusterIP != "" && len(spec.ClusterIPs) == 0 {
		spec.ClusterIPs = []string{spec.ClusterIP}
	}
	if spec.ClusterIP == "" && len(spec.ClusterIPs) > 0 {
		spec.ClusterIP = spec.ClusterIPs[0]
	}
}

// defaultFamilies: the cluster speaks IPv4. A headless service without a
// selector names addresses that someone else keeps, so it may have both.
func defaultFamilies(spec *corev1.ServiceSpec) {
	if spec.ClusterIP == corev1.ClusterIPNone && len(spec.Selector) == 0 {
		fillPointer(&spec.IPFamilyPolicy, corev1.IPFamilyPolicyRequireDualStack)
		if len(spec.IPFamilies) == 0 {
			spec.IPFamilies = []corev1.IPFamily{corev1.IPv4Protocol, corev1.IPv6Protocol}
		}
		return
	}
	fillPointer(&spec.IPFamilyPolicy, corev1.IPFamilyPolicySingleStack)
	if len(spec.IPFamilies) == 0 {
		spec.IPFamilies = []corev1.IPFamily{corev1.IPv4Protocol}
	}
}

// takesTraffic tells services that the cluster itself routes.
func takesTraffic(spec *corev1.ServiceSpec) bool { return spec.Type != corev1.ServiceTypeExternalName }

// needsNodePort tells services that are reached at a port of every node.
func needsNodePort(spec *corev1.ServiceSpec) bool {
	return spec.Type == corev1.ServiceTypeNodePort ||
		(spec.Type == corev1.ServiceTypeLoadBalancer && deref(spec.AllocateLoadBalancerNodePorts, true))
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
}

func keepAllocated(spec, old *corev1.ServiceSpec) {
	if takesTraffic(spec) && takesTraffic(old) && spec.ClusterIP == "" && len(spec.ClusterIPs) == 0 {
		spec.ClusterIP, spec.ClusterIPs = old.ClusterIP, slices.Clone(old.ClusterIPs)
	}
	if needsNodePort(spec) && needsNodePort(old) {
		for i := range spec.Ports {
			port := &spec.Ports[i]
			if port.NodePort != 0 {
				continue
			}
			for _, before := range old.Ports {
				if before.Port == port.Port && before.Protocol == port.Protocol && !hasNodePort(spec, before.NodePort) {
					port.NodePort = before.NodePort
				}
			}
		}
	}
	if wantsHealthPort(spec) && wantsHealthPort(old) {
		fill(&spec.HealthCheckNodePort, old.HealthCheckNodePort)
	}
}

func hasNodePort(spec *corev1.ServiceSpec, number int32) bool {
	return slices.ContainsFunc(spec.Ports, func(port corev1.ServicePort) bool { return port.NodePort == number })
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
		spec.IPFamilies, spec.IPFamilyPolicy, spec.InternalTrafficPolicy = nil, nil, nil
	}
	if needsNodePort(old) && !needsNodePort(spec) {
		for i := range spec.Ports {
			if hasNodePort(old, spec.Ports[i].NodePort) {
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
		spec.AllocateLoadBalancerNodePorts, spec.LoadBalancerClass = nil, nil
	}
}
