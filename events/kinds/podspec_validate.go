package kinds

import (
	"math"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// validatePodSpec checks a pod's spec wherever it stands. The spec has its
// defaults already.
func validatePodSpec(path *field.Path, spec *corev1.PodSpec) field.ErrorList {
	volumes := volumeNames(spec.Volumes)
	return slices.Concat(
		validateVolumes(path.Child("volumes"), spec.Volumes),
		validateContainers(path, spec, volumes),
		oneOf(path.Child("restartPolicy"), spec.RestartPolicy,
			corev1.RestartPolicyAlways, corev1.RestartPolicyOnFailure, corev1.RestartPolicyNever),
		validatePodDNS(path, spec),
		validateLabels(path.Child("nodeSelector"), spec.NodeSelector),
		validatePodSecurity(path, spec),
		validateReferences(path, spec),
		validatePodNames(path, spec),
		validateDeadline(path, spec),
		each(path.Child("hostAliases"), spec.HostAliases, validateHostAlias),
		validateScheduling(path, spec),
		validatePodResources(path, spec),
	)
}

// validateReferences checks the names of other objects that the spec mentions.
func validateReferences(path *field.Path, spec *corev1.PodSpec) field.ErrorList {
	pullSecret := func(path *field.Path, ref *corev1.LocalObjectReference) field.ErrorList {
		return required(path.Child("name"), ref.Name)
	}
	return slices.Concat(
		optional(path.Child("serviceAccountName"), spec.ServiceAccountName, dnsSubdomain),
		optional(path.Child("nodeName"), spec.NodeName, dnsSubdomain),
		optional(path.Child("priorityClassName"), spec.PriorityClassName, dnsSubdomain),
		optional(path.Child("runtimeClassName"), deref(spec.RuntimeClassName, ""), dnsSubdomain),
		each(path.Child("imagePullSecrets"), spec.ImagePullSecrets, pullSecret),
	)
}

func validatePodNames(path *field.Path, spec *corev1.PodSpec) field.ErrorList {
	return slices.Concat(
		optional(path.Child("hostname"), spec.Hostname, dnsLabel),
		optional(path.Child("subdomain"), spec.Subdomain, dnsLabel),
		optional(path.Child("hostnameOverride"), deref(spec.HostnameOverride, ""), validation.IsDNS1123Subdomain),
		validateOS(path.Child("os"), spec.OS),
	)
}

func validateOS(path *field.Path, os *corev1.PodOS) field.ErrorList {
	if os == nil {
		return nil
	}
	return oneOf(path.Child("name"), os.Name, corev1.Linux, corev1.Windows)
}

func validateDeadline(path *field.Path, spec *corev1.PodSpec) field.ErrorList {
	seconds := spec.ActiveDeadlineSeconds
	if seconds == nil || (*seconds >= 1 && *seconds <= math.MaxInt32) {
		return nil
	}
	return field.ErrorList{field.Invalid(path.Child("activeDeadlineSeconds"), *seconds, validation.InclusiveRangeError(1, math.MaxInt32))}
}

func validateHostAlias(path *field.Path, alias *corev1.HostAlias) field.ErrorList {
	errs := validation.IsValidIPForLegacyField(path.Child("ip"), alias.IP, false, nil)
	for i, name := range alias.Hostnames {
		errs = append(errs, invalid(path.Child("hostnames").Index(i), name, validation.IsDNS1123Subdomain(name))...)
	}
	return errs
}

const (
	maxNameservers = 3
	maxSearches    = 32
	maxSearchChars = 2048
)

func validatePodDNS(path *field.Path, spec *corev1.PodSpec) field.ErrorList {
	errs := oneOf(path.Child("dnsPolicy"), spec.DNSPolicy,
		corev1.DNSClusterFirstWithHostNet, corev1.DNSClusterFirst, corev1.DNSDefault, corev1.DNSNone)
	config := path.Child("dnsConfig")
	if spec.DNSConfig == nil {
		return append(errs, only(spec.DNSPolicy == corev1.DNSNone,
			field.Required(config, "must provide `dnsConfig` when `dnsPolicy` is None"))...)
	}
	servers, searches := spec.DNSConfig.Nameservers, spec.DNSConfig.Searches
	errs = append(errs, only(spec.DNSPolicy == corev1.DNSNone && len(servers) == 0,
		field.Required(config.Child("nameservers"), "must provide at least one DNS nameserver when `dnsPolicy` is None"))...)
	errs = append(errs, only(len(servers) > maxNameservers,
		field.Invalid(config.Child("nameservers"), servers, "must not have more than 3 nameservers"))...)
	for i, server := range servers {
		errs = append(errs, validation.IsValidIPForLegacyField(config.Child("nameservers").Index(i), server, false, nil)...)
	}
	return append(errs, validateSearches(config, spec.DNSConfig, searches)...)
}

func validateSearches(path *field.Path, config *corev1.PodDNSConfig, searches []string) field.ErrorList {
	list := path.Child("searches")
	errs := only(len(searches) > maxSearches, field.Invalid(list, searches, "must not have more than 32 search paths"))
	total := 0
	for i, search := range searches {
		total += len(search) + 1
		if search != "." {
			name := search
			if n := len(name); n > 0 && name[n-1] == '.' {
				name = name[:n-1]
			}
			errs = append(errs, invalid(list.Index(i), search, validation.IsDNS1123SubdomainWithUnderscore(name))...)
		}
	}
	errs = append(errs, only(total > maxSearchChars+1,
		field.Invalid(list, searches, "must not have more than 2048 characters (including spaces) in the search list"))...)
	return append(errs, each(path.Child("options"), config.Options, func(path *field.Path, option *corev1.PodDNSConfigOption) field.ErrorList {
		return only(option.Name == "", field.Required(path, "must not be empty"))
	})...)
}

func validatePodSecurity(path *field.Path, spec *corev1.PodSpec) field.ErrorList {
	shares := deref(spec.ShareProcessNamespace, false)
	errs := only(shares && spec.HostPID, field.Invalid(path.Child("shareProcessNamespace"), shares,
		"ShareProcessNamespace and HostPID cannot both be enabled"))
	security := spec.SecurityContext
	if security == nil {
		return errs
	}
	path = path.Child("securityContext")
	for i, group := range security.SupplementalGroups {
		errs = append(errs, invalid(path.Child("supplementalGroups").Index(i), group, validation.IsValidGroupID(group))...)
	}
	seen := sets.New[string]()
	return slices.Concat(errs,
		validateID(path.Child("fsGroup"), security.FSGroup, validation.IsValidGroupID),
		validateID(path.Child("runAsUser"), security.RunAsUser, validation.IsValidUserID),
		validateID(path.Child("runAsGroup"), security.RunAsGroup, validation.IsValidGroupID),
		oneOfOrEmpty(path.Child("fsGroupChangePolicy"), deref(security.FSGroupChangePolicy, ""),
			corev1.FSGroupChangeAlways, corev1.FSGroupChangeOnRootMismatch),
		oneOfOrEmpty(path.Child("supplementalGroupsPolicy"), deref(security.SupplementalGroupsPolicy, ""),
			corev1.SupplementalGroupsPolicyMerge, corev1.SupplementalGroupsPolicyStrict),
		validateSeccomp(path.Child("seccompProfile"), security.SeccompProfile),
		each(path.Child("sysctls"), security.Sysctls, func(path *field.Path, sysctl *corev1.Sysctl) field.ErrorList {
			if sysctl.Name == "" {
				return field.ErrorList{field.Required(path.Child("name"), "")}
			}
			return unique(path.Child("name"), sysctl.Name, seen)
		}),
	)
}

// validateID checks a user or group id that may be missing.
func validateID(path *field.Path, id *int64, valid func(int64) []string) field.ErrorList {
	if id == nil {
		return nil
	}
	return invalid(path, *id, valid(*id))
}

func validateSeccomp(path *field.Path, profile *corev1.SeccompProfile) field.ErrorList {
	if profile == nil {
		return nil
	}
	local := profile.Type == corev1.SeccompProfileTypeLocalhost
	return slices.Concat(
		oneOf(path.Child("type"), profile.Type,
			corev1.SeccompProfileTypeLocalhost, corev1.SeccompProfileTypeRuntimeDefault, corev1.SeccompProfileTypeUnconfined),
		only(local && profile.LocalhostProfile == nil,
			field.Required(path.Child("localhostProfile"), "must be set when seccomp type is Localhost")),
		only(!local && profile.LocalhostProfile != nil,
			field.Invalid(path.Child("localhostProfile"), deref(profile.LocalhostProfile, ""), "can only be set when seccomp type is Localhost")),
	)
}

func validatePodResources(path *field.Path, spec *corev1.PodSpec) field.ErrorList {
	var errs field.ErrorList
	for _, name := range sortedNames(spec.Overhead) {
		errs = append(errs, validateResourceName(path.Child("overhead").Key(string(name)), name)...)
		errs = append(errs, validateQuantity(path.Child("overhead").Key(string(name)), name, spec.Overhead[name])...)
	}
	if spec.Resources != nil {
		errs = append(errs, validateResources(path.Child("resources"), spec.Resources)...)
	}
	return errs
}
