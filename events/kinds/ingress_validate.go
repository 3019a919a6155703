package kinds

import (
	"net/netip"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// What a path may not have: parts that mean something else by the time that a
// server reads them.
var (
	badSequences = []string{"//", "/./", "/../", "%2f", "%2F"}
	badEnds      = []string{"/..", "/."}
)

// validateNewIngress refuses two ways to name a class at once.
func validateNewIngress(ingress *networkingv1.Ingress) field.ErrorList {
	class, annotated := ingress.Annotations[ClassAnnotation]
	return append(validateIngress(ingress), only(annotated && ingress.Spec.IngressClassName != nil, field.Invalid(
		field.NewPath("metadata", "annotations").Child(ClassAnnotation), class, "can not be set when the class field is also set"))...)
}

func validateIngressUpdate(ingress, _ *networkingv1.Ingress) field.ErrorList {
	return validateIngress(ingress)
}

func validateIngress(ingress *networkingv1.Ingress) field.ErrorList {
	spec := &ingress.Spec
	errs := only(len(spec.Rules) == 0 && spec.DefaultBackend == nil,
		field.Invalid(specPath, "", "either `defaultBackend` or `rules` must be specified"))
	if spec.DefaultBackend != nil {
		errs = append(errs, validateBackend(specPath.Child("defaultBackend"), spec.DefaultBackend)...)
	}
	return slices.Concat(errs,
		each(specPath.Child("rules"), spec.Rules, validateIngressRule),
		each(specPath.Child("tls"), spec.TLS, validateIngressTLS),
		optional(specPath.Child("ingressClassName"), deref(spec.IngressClassName, ""), dnsSubdomain),
	)
}

func validateIngressRule(path *field.Path, rule *networkingv1.IngressRule) field.ErrorList {
	host := path.Child("host")
	_, notName := netip.ParseAddr(rule.Host)
	errs := slices.Concat(
		only(notName == nil, field.Invalid(host, rule.Host, "must be a DNS name, not an IP address")),
		optional(host, rule.Host, hostOrWildcard),
	)
	if rule.HTTP == nil {
		return errs
	}
	paths := path.Child("http", "paths")
	errs = append(errs, only(len(rule.HTTP.Paths) == 0, field.Required(paths, ""))...)
	return append(errs, each(paths, rule.HTTP.Paths, validateIngressPath)...)
}

func hostOrWildcard(host string) []string {
	if strings.Contains(host, "*") {
		return validation.IsWildcardDNS1123Subdomain(host)
	}
	return validation.IsDNS1123Subdomain(host)
}

func validateIngressPath(path *field.Path, p *networkingv1.HTTPIngressPath) field.ErrorList {
	return append(validatePathOf(path, p), validateBackend(path.Child("backend"), &p.Backend)...)
}

func validatePathOf(path *field.Path, p *networkingv1.HTTPIngressPath) field.ErrorList {
	const exact, prefix, specific = networkingv1.PathTypeExact, networkingv1.PathTypePrefix, networkingv1.PathTypeImplementationSpecific
	if p.PathType == nil {
		return field.ErrorList{field.Required(path.Child("pathType"), "pathType must be specified")}
	}
	at := path.Child("path")
	absolute := strings.HasPrefix(p.Path, "/")
	const mustBeAbsolute = "must be an absolute path"
	switch *p.PathType {
	case exact, prefix:
		errs := only(!absolute, field.Invalid(at, p.Path, mustBeAbsolute))
		for _, bad := range badSequences {
			errs = append(errs, only(strings.Contains(p.Path, bad), field.Invalid(at, p.Path, "must not contain '"+bad+"'"))...)
		}
		for _, bad := range badEnds {
			errs = append(errs, only(strings.HasSuffix(p.Path, bad), field.Invalid(at, p.Path, "cannot end with '"+bad+"'"))...)
		}
		return errs
	case specific:
		return only(p.Path != "" && !absolute, field.Invalid(at, p.Path, mustBeAbsolute))
	default:
		return oneOf(path.Child("pathType"), *p.PathType, exact, specific, prefix)
	}
}

func validateBackend(path *field.Path, backend *networkingv1.IngressBackend) field.ErrorList {
	switch service, resource := backend.Service, backend.Resource; {
	case service != nil && resource != nil:
		return field.ErrorList{field.Invalid(path, "", "cannot set both resource and service backends")}
	case resource != nil:
		return validateReference(path.Child("resource"), deref(resource.APIGroup, ""), resource.Kind, resource.Name)
	case service != nil:
		return validateServiceBackend(path.Child("service"), service)
	default:
		return field.ErrorList{field.Required(path, "resource or service backend is required")}
	}
}

func validateServiceBackend(path *field.Path, service *networkingv1.IngressServiceBackend) field.ErrorList {
	errs := named(path.Child("name"), service.Name, validation.IsDNS1123Label)
	port := path.Child("port")
	switch name, number := service.Port.Name, service.Port.Number; {
	case name != "" && number != 0:
		return append(errs, field.Invalid(path, "", "cannot set both port name & port number"))
	case name != "":
		return append(errs, invalid(port.Child("name"), name, validation.IsValidPortName(name))...)
	case number != 0:
		return append(errs, portNumber(port.Child("number"), number)...)
	default:
		return append(errs, field.Required(path, "port name or number is required"))
	}
}

func validateIngressTLS(path *field.Path, tls *networkingv1.IngressTLS) field.ErrorList {
	errs := each(path.Child("hosts"), tls.Hosts, func(path *field.Path, host *string) field.ErrorList {
		return invalid(path, *host, hostOrWildcard(*host))
	})
	return append(errs, optional(path.Child("secretName"), tls.SecretName, dnsSubdomain)...)
}

func validateIngressStatus(ingress, _ *networkingv1.Ingress) field.ErrorList {
	path := field.NewPath("status", "loadBalancer", "ingress")
	return each(path, ingress.Status.LoadBalancer.Ingress, func(path *field.Path, at *networkingv1.IngressLoadBalancerIngress) field.ErrorList {
		return validateReachedAt(path, &corev1.LoadBalancerIngress{IP: at.IP, Hostname: at.Hostname})
	})
}
