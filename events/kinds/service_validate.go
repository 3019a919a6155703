package kinds

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// maxAffinitySeconds is the longest that a client may stick to one pod: a day.
const maxAffinitySeconds = 86400

const onlyLoadBalancer = "may only be used when `type` is 'LoadBalancer'"

func validateService(service *corev1.Service) field.ErrorList {
	spec := &service.Spec
	return slices.Concat(
		validateServicePorts(spec),
		validateServiceType(spec),
		validateLabels(specPath.Child("selector"), spec.Selector),
		validateSessionAffinity(spec),
		validateFamilies(spec),
		validateClusterIPs(spec),
		validateExternalIPs(spec),
		validateTrafficPolicies(spec),
	)
}

func validateServicePorts(spec *corev1.ServiceSpec) field.ErrorList {
	path := specPath.Child("ports")
	errs := only(len(spec.Ports) == 0 && !headless(spec) && takesTraffic(spec), field.Required(path, ""))
	names, pairs, nodePorts := sets.New[string](), sets.New[corev1.ServicePort](), sets.New[string]()
	return append(errs, each(path, spec.Ports, func(path *field.Path, port *corev1.ServicePort) field.ErrorList {
		errs := slices.Concat(
			validateServicePortName(path.Child("name"), port.Name, len(spec.Ports) > 1, names),
			portNumber(path.Child("port"), port.Port),
			oneOf(path.Child("protocol"), port.Protocol, protocols...),
			portNumberOrName(path.Child("targetPort"), port.TargetPort),
			optional(path.Child("appProtocol"), deref(port.AppProtocol, ""), validation.IsQualifiedName),
			unique(path, corev1.ServicePort{Protocol: port.Protocol, Port: port.Port}, pairs),
		)
		if port.NodePort == 0 {
			return errs
		}
		nodePort := path.Child("nodePort")
		if spec.Type == corev1.ServiceTypeClusterIP || spec.Type == corev1.ServiceTypeExternalName {
			return append(errs, field.Forbidden(nodePort, fmt.Sprintf("may not be used when `type` is '%s'", spec.Type)))
		}
		key := fmt.Sprintf("%s/%d", port.Protocol, port.NodePort)
		if nodePorts.Has(key) {
			return append(errs, field.Duplicate(nodePort, port.NodePort))
		}
		nodePorts.Insert(key)
		return errs
	})...)
}

func validateServicePortName(path *field.Path, name string, needed bool, seen sets.Set[string]) field.ErrorList {
	if name == "" {
		return only(needed, field.Required(path, ""))
	}
	return append(invalid(path, name, dnsLabel(name)), unique(path, name, seen)...)
}

func validateServiceType(spec *corev1.ServiceSpec) field.ErrorList {
	errs := oneOf(specPath.Child("type"), spec.Type, corev1.ServiceTypeClusterIP, corev1.ServiceTypeExternalName,
		corev1.ServiceTypeLoadBalancer, corev1.ServiceTypeNodePort)
	switch spec.Type {
	case corev1.ServiceTypeExternalName:
		path := specPath.Child("externalName")
		const unfit = "may not be set for ExternalName services"
		errs = append(errs, slices.Concat(
			only(spec.ClusterIP != "", field.Forbidden(ipsPath, unfit)),
			only(len(spec.IPFamilies) > 0, field.Forbidden(familiesPath, unfit)),
			only(spec.IPFamilyPolicy != nil, field.Forbidden(policyPath, unfit)),
		)...)
		name := strings.TrimSuffix(spec.ExternalName, ".")
		if name == "" {
			return append(errs, field.Required(path, ""))
		}
		return append(errs, invalid(path, name, validation.IsDNS1123Subdomain(name))...)
	case corev1.ServiceTypeNodePort, corev1.ServiceTypeLoadBalancer:
		return append(errs, only(headless(spec), field.Invalid(ipsPath.Index(0), spec.ClusterIPs,
			fmt.Sprintf("may not be set to 'None' for %s services", spec.Type)))...)
	case corev1.ServiceTypeClusterIP:
	}
	return errs
}

func validateSessionAffinity(spec *corev1.ServiceSpec) field.ErrorList {
	errs := oneOf(specPath.Child("sessionAffinity"), spec.SessionAffinity, corev1.ServiceAffinityClientIP, corev1.ServiceAffinityNone)
	config := spec.SessionAffinityConfig
	if config == nil || config.ClientIP == nil || config.ClientIP.TimeoutSeconds == nil {
		return errs
	}
	seconds := *config.ClientIP.TimeoutSeconds
	return append(errs, only(seconds <= 0 || seconds > maxAffinitySeconds,
		field.Invalid(specPath.Child("sessionAffinityConfig", "clientIP", "timeoutSeconds"), seconds,
			fmt.Sprintf("must be greater than 0 and less than %d", maxAffinitySeconds)))...)
}

func validateExternalIPs(spec *corev1.ServiceSpec) field.ErrorList {
	var errs field.ErrorList
	for i, ip := range spec.ExternalIPs {
		path := specPath.Child("externalIPs").Index(i)
		if bad := validation.IsValidIPForLegacyField(path, ip, false, nil); len(bad) > 0 {
			errs = append(errs, bad...)
			continue
		}
		errs = append(errs, ordinaryIP(path, ip)...)
	}
	balancer := spec.Type == corev1.ServiceTypeLoadBalancer
	ranges := specPath.Child("loadBalancerSourceRanges")
	errs = append(errs, only(len(spec.LoadBalancerSourceRanges) > 0 && !balancer, field.Forbidden(ranges, onlyLoadBalancer))...)
	if balancer {
		for i, cidr := range spec.LoadBalancerSourceRanges {
			errs = append(errs, validation.IsValidCIDRForLegacyField(ranges.Index(i), strings.TrimSpace(cidr), false, nil)...)
		}
	}
	return slices.Concat(errs,
		only(spec.AllocateLoadBalancerNodePorts != nil && !balancer,
			field.Forbidden(specPath.Child("allocateLoadBalancerNodePorts"), onlyLoadBalancer)),
		only(spec.LoadBalancerClass != nil && !balancer, field.Forbidden(specPath.Child("loadBalancerClass"), onlyLoadBalancer)),
		optional(specPath.Child("loadBalancerClass"), deref(spec.LoadBalancerClass, ""), validation.IsQualifiedName),
	)
}

func validateTrafficPolicies(spec *corev1.ServiceSpec) field.ErrorList {
	external, internal := specPath.Child("externalTrafficPolicy"), specPath.Child("internalTrafficPolicy")
	var errs field.ErrorList
	if reachable(spec) {
		errs = oneOf(external, spec.ExternalTrafficPolicy, corev1.ServiceExternalTrafficPolicyCluster, corev1.ServiceExternalTrafficPolicyLocal)
	} else {
		errs = only(spec.ExternalTrafficPolicy != "",
			field.Invalid(external, spec.ExternalTrafficPolicy, "may only be set for externally-accessible services"))
	}
	errs = append(errs, oneOfOrEmpty(internal, deref(spec.InternalTrafficPolicy, ""),
		corev1.ServiceInternalTrafficPolicyCluster, corev1.ServiceInternalTrafficPolicyLocal)...)
	if spec.TrafficDistribution != nil {
		errs = append(errs, oneOf(specPath.Child("trafficDistribution"), *spec.TrafficDistribution, corev1.ServiceTrafficDistributionPreferClose,
			corev1.ServiceTrafficDistributionPreferSameZone, corev1.ServiceTrafficDistributionPreferSameNode)...)
	}
	return append(errs, only(spec.HealthCheckNodePort != 0 && !wantsHealthPort(spec),
		field.Invalid(specPath.Child("healthCheckNodePort"), spec.HealthCheckNodePort,
			"may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'"))...)
}

// validateServiceUpdate keeps what was given for as long as the service has a type
// that needs it.
func validateServiceUpdate(service, old *corev1.Service) field.ErrorList {
	spec, was := &service.Spec, &old.Spec
	balances := spec.Type == corev1.ServiceTypeLoadBalancer && was.Type == spec.Type
	return slices.Concat(
		validateService(service),
		validateFamiliesKept(spec, was),
		only(balances && deref(spec.LoadBalancerClass, "") != deref(was.LoadBalancerClass, ""),
			field.Invalid(specPath.Child("loadBalancerClass"), deref(spec.LoadBalancerClass, ""), "may not change once set")),
		only(wantsHealthPort(spec) && wantsHealthPort(was) && was.HealthCheckNodePort != 0 && spec.HealthCheckNodePort != was.HealthCheckNodePort,
			field.Invalid(specPath.Child("healthCheckNodePort"), spec.HealthCheckNodePort, immutable)),
	)
}

func validateServiceStatus(service, _ *corev1.Service) field.ErrorList {
	path := field.NewPath("status", "loadBalancer", "ingress")
	return each(path, service.Status.LoadBalancer.Ingress, validateReachedAt)
}

// validateReachedAt checks where something is reached from outside the cluster.
func validateReachedAt(path *field.Path, at *corev1.LoadBalancerIngress) field.ErrorList {
	var errs field.ErrorList
	if at.IP != "" {
		errs = validation.IsValidIPForLegacyField(path.Child("ip"), at.IP, false, nil)
	}
	_, notName := netip.ParseAddr(at.Hostname)
	return slices.Concat(errs,
		optional(path.Child("hostname"), at.Hostname, validation.IsDNS1123Subdomain),
		only(at.Hostname != "" && notName == nil, field.Invalid(path.Child("hostname"), at.Hostname, "must be a DNS name, not an IP address")),
	)
}
