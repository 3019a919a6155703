package kinds

import (
	"errors"
	"fmt"
	"hash/fnv"
	"net/netip"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"segno/events"
)

// admitService completes the service's address families, gives it the addresses
// and node ports that it needs and does not name, and refuses those that are named
// but taken.
func admitService(view events.View, service, old *corev1.Service) error {
	ranges, _, err := RangesOfServices(view)
	if err != nil {
		return fmt.Errorf("allocate for service %s/%s: %w", service.Namespace, service.Name, err)
	}
	var before *corev1.ServiceSpec
	if old != nil {
		before = &old.Spec
	}
	errs := ranges.completeFamilies(&service.Spec, before)
	if len(errs) == 0 && needsAllocation(&service.Spec, before) {
		used, err := allocated(view, service)
		if err != nil {
			return fmt.Errorf("allocate for service %s/%s: %w", service.Namespace, service.Name, err)
		}
		a := allocation{ranges: ranges, used: used, service: service, old: before}
		errs = slices.Concat(a.assignIPs(), a.assignPorts(), a.assignHealthPort())
	}
	if len(errs) > 0 {
		return apierrors.NewInvalid(corev1.SchemeGroupVersion.WithKind("Service").GroupKind(), service.Name, errs)
	}
	return nil
}

// needsAllocation spares the look at all services where nothing can change.
func needsAllocation(spec, old *corev1.ServiceSpec) bool {
	if wantsIPs(spec) && (old == nil || len(spec.ClusterIPs) < len(spec.IPFamilies) || !slices.Equal(spec.ClusterIPs, old.ClusterIPs)) {
		return true
	}
	if wantsHealthPort(spec) && (old == nil || spec.HealthCheckNodePort == 0 || spec.HealthCheckNodePort != old.HealthCheckNodePort) {
		return true
	}
	if !mayHaveNodePort(spec) {
		return false
	}
	return old == nil || !slices.EqualFunc(spec.Ports, old.Ports, func(a, b corev1.ServicePort) bool {
		return a.NodePort == b.NodePort && (a.NodePort != 0 || !needsNodePort(spec))
	})
}

// wantsIPs tells services that have addresses of the cluster's.
func wantsIPs(spec *corev1.ServiceSpec) bool { return takesTraffic(spec) && !headless(spec) }

// used is what other services hold.
type used struct {
	ips   map[string]bool
	ports map[int32]bool
}

func allocated(view events.View, except *corev1.Service) (*used, error) {
	all, err := events.ListAs[*corev1.Service](view, events.Query{Resource: serviceResource})
	if err != nil {
		return nil, fmt.Errorf("list services: %w", err)
	}
	u := &used{ips: map[string]bool{}, ports: map[int32]bool{}}
	for _, service := range all {
		if service.Namespace == except.Namespace && service.Name == except.Name {
			continue
		}
		for _, ip := range service.Spec.ClusterIPs {
			u.ips[ip] = true
		}
		for _, port := range service.Spec.Ports {
			u.ports[port.NodePort] = true
		}
		u.ports[service.Spec.HealthCheckNodePort] = true
	}
	return u, nil
}

// allocation is what one service is given, in the making.
type allocation struct {
	ranges  ServiceRanges
	used    *used
	service *corev1.Service
	old     *corev1.ServiceSpec // nil is none
}

// assignIPs gives an address of each family.
func (a allocation) assignIPs() field.ErrorList {
	spec := &a.service.Spec
	if !wantsIPs(spec) {
		return nil
	}
	var errs field.ErrorList
	ips := slices.Clone(spec.ClusterIPs)
	for i, family := range spec.IPFamilies {
		network, found := a.ranges.network(family)
		switch {
		case i < len(ips) && a.old != nil && slices.Contains(a.old.ClusterIPs, ips[i]):
		case !found: // of a cluster that had this family once; nothing is given
			continue
		case i < len(ips):
			if err := a.chosenIP(ips[i], poolOf(network)); err != nil {
				errs = append(errs, field.Invalid(ipsPath, spec.ClusterIPs, fmt.Sprintf("failed to allocate IP %s: %v", ips[i], err)))
			}
		default:
			ip, err := a.freeIP(poolOf(network))
			if err != nil {
				errs = append(errs, field.InternalError(ipsPath, fmt.Errorf("failed to allocate a serviceIP: %w", err)))
				continue
			}
			ips = append(ips, ip)
		}
	}
	if len(errs) > 0 || len(ips) == 0 {
		return errs
	}
	spec.ClusterIP, spec.ClusterIPs = ips[0], ips
	return nil
}

// chosenIP tells what is wrong with an address that somebody asked for.
func (a allocation) chosenIP(ip string, from pool) error {
	address, err := netip.ParseAddr(ip)
	switch mine := (types.NamespacedName{Namespace: a.service.Namespace, Name: a.service.Name}); {
	case err != nil:
		return err
	case !from.usable(address):
		return fmt.Errorf("the provided IP (%s) is not in the valid range. The range of valid IPs is %s", ip, from.network)
	case a.used.ips[ip]:
		return errors.New("provided IP is already allocated")
	case address == a.ranges.DNS() && mine != DNSService:
		return fmt.Errorf("it is the address of the cluster's DNS, which only the Service %s can have", DNSService)
	case address == a.ranges.API() && mine != APIService:
		return fmt.Errorf("it is the address of the cluster's API, which only the Service %s can have", APIService)
	}
	return nil
}

func (a allocation) freeIP(from pool) (string, error) {
	purpose, dns, api := "clusterIP", a.ranges.DNS(), a.ranges.API() // which even their own Services ask for by name
	if from.network.Addr().Is6() {
		purpose = "clusterIP6"
	}
	n, ok := from.find(seed(a.service, purpose), func(n uint32) bool {
		address := from.at(n)
		return a.used.ips[address.String()] || address == dns || address == api
	})
	if !ok {
		return "", fmt.Errorf("range is full: all addresses of %s are in use", from.network)
	}
	return from.at(n).String(), nil
}

// seed derives a number from the object's identity and what it is for.
func seed(service *corev1.Service, purpose string) uint32 {
	hash := fnv.New32a()
	_, _ = fmt.Fprintf(hash, "%s/%s/%s/%s", service.UID, service.Namespace, service.Name, purpose)
	return hash.Sum32()
}
