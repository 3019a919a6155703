package kinds

import (
	"errors"
	"fmt"
	"hash/fnv"
	"net/netip"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"segno/events"
)

// serviceNetwork is where cluster IPs come from. The lowest ones are kept for
// people who choose an address themselves (10.96.0.1 is the API); the others are
// given out.
var serviceNetwork = netip.MustParsePrefix("10.96.0.0/16")

// ServiceNetwork is where the addresses of Services are.
func ServiceNetwork() netip.Prefix { return serviceNetwork }

// ClusterDNS is where every node answers for the cluster's names: by custom the
// tenth address. No Service but DNSService has it, even when all others are taken.
var ClusterDNS = netip.MustParseAddr("10.96.0.10")

// DNSService is by which name tools find the cluster's DNS.
var DNSService = types.NamespacedName{Namespace: metav1.NamespaceSystem, Name: "kube-dns"}

const (
	firstNodePort = 30000
	lastNodePort  = 32767
)

var (
	clusterIPs = band{size: 1<<16 - 2, reserved: 256} // without the network's own and its broadcast address
	nodePorts  = band{size: lastNodePort - firstNodePort + 1, reserved: 86}
)

// admitService gives a service the address and node ports that it needs and
// does not name, and refuses those that are named but taken.
func admitService(view events.View, service, old *corev1.Service) error {
	if !needsAllocation(service, old) {
		return nil
	}
	used, err := allocated(view, service)
	if err != nil {
		return fmt.Errorf("allocate for service %s/%s: %w", service.Namespace, service.Name, err)
	}
	errs := slices.Concat(used.assignIP(service, old), used.assignPorts(service, old))
	if len(errs) > 0 {
		return apierrors.NewInvalid(corev1.SchemeGroupVersion.WithKind("Service").GroupKind(), service.Name, errs)
	}
	return nil
}

// needsAllocation spares the look at all services where nothing can change.
func needsAllocation(service, old *corev1.Service) bool {
	wantsIP := takesTraffic(&service.Spec) && service.Spec.ClusterIP != corev1.ClusterIPNone
	if !wantsIP && !needsNodePort(&service.Spec) {
		return false
	}
	if old == nil || service.Spec.ClusterIP != old.Spec.ClusterIP {
		return true
	}
	return needsNodePort(&service.Spec) && !slices.EqualFunc(service.Spec.Ports, old.Spec.Ports, func(a, b corev1.ServicePort) bool {
		return a.NodePort == b.NodePort && a.NodePort != 0
	})
}

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

func (u *used) assignIP(service, old *corev1.Service) field.ErrorList {
	spec := &service.Spec
	if !takesTraffic(spec) || spec.ClusterIP == corev1.ClusterIPNone || (old != nil && old.Spec.ClusterIP == spec.ClusterIP && spec.ClusterIP != "") {
		return nil
	}
	path := specPath.Child("clusterIPs")
	if spec.ClusterIP == "" {
		n, ok := clusterIPs.find(seed(service, "clusterIP"), func(n uint32) bool {
			ip := clusterIP(n)
			return u.ips[ip] || ip == ClusterDNS.String() // which even DNSService asks for by name
		})
		if !ok {
			return field.ErrorList{field.InternalError(path, errors.New("failed to allocate a serviceIP: range is full"))}
		}
		spec.ClusterIP = clusterIP(n)
		spec.ClusterIPs = []string{spec.ClusterIP}
		return nil
	}
	if err := u.chosenIP(spec.ClusterIP, service); err != nil {
		return field.ErrorList{field.Invalid(path, spec.ClusterIPs, fmt.Sprintf("failed to allocate IP %s: %v", spec.ClusterIP, err))}
	}
	return nil
}

// chosenIP tells what is wrong with an address that somebody asked for.
func (u *used) chosenIP(ip string, service *corev1.Service) error {
	addr, err := netip.ParseAddr(ip)
	if err != nil {
		return err
	}
	bytes := addr.Unmap().As16()
	edge := (bytes[14] == 0 && bytes[15] == 0) || (bytes[14] == 255 && bytes[15] == 255)
	switch {
	case !serviceNetwork.Contains(addr.Unmap()) || edge:
		return fmt.Errorf("the provided IP (%s) is not in the valid range. The range of valid IPs is %s", ip, serviceNetwork)
	case u.ips[ip]:
		return errors.New("provided IP is already allocated")
	case addr.Unmap() == ClusterDNS && DNSService != types.NamespacedName{Namespace: service.Namespace, Name: service.Name}:
		return fmt.Errorf("it is the address of the cluster's DNS, which only the Service %s can have", DNSService)
	}
	return nil
}

// clusterIP is the n-th usable address of the service network.
func clusterIP(n uint32) string {
	bytes := serviceNetwork.Addr().As4()
	bytes[2], bytes[3] = byte((n+1)>>8), byte(n+1)
	return netip.AddrFrom4(bytes).String()
}

func (u *used) assignPorts(service, old *corev1.Service) field.ErrorList {
	spec := &service.Spec
	if !needsNodePort(spec) {
		return nil
	}
	var errs field.ErrorList
	mine := map[int32]corev1.Protocol{}
	for i := range spec.Ports {
		port := &spec.Ports[i]
		if port.NodePort != 0 {
			errs = append(errs, u.chosenPort(specPath.Child("ports").Index(i).Child("nodePort"), port.NodePort, old)...)
			mine[port.NodePort] = port.Protocol
		}
	}
	for i := range spec.Ports {
		port := &spec.Ports[i]
		if port.NodePort != 0 {
			continue
		}
		if shared, ok := sharedPort(spec, i); ok { // one number for TCP and UDP of the same port
			port.NodePort = shared
			continue
		}
		taken := func(n uint32) bool {
			number := firstNodePort + int32(n)
			_, own := mine[number]
			return u.ports[number] || own
		}
		n, ok := nodePorts.find(seed(service, fmt.Sprintf("%s/%d", port.Protocol, port.Port)), taken)
		if !ok {
			errs = append(errs, field.InternalError(specPath.Child("ports").Index(i).Child("nodePort"), errors.New("failed to allocate a nodePort: range is full")))
			continue
		}
		port.NodePort = firstNodePort + int32(n)
		mine[port.NodePort] = port.Protocol
	}
	return errs
}

func (u *used) chosenPort(path *field.Path, number int32, old *corev1.Service) field.ErrorList {
	if old != nil && hasNodePort(&old.Spec, number) {
		return nil
	}
	return slices.Concat(
		only(number < firstNodePort || number > lastNodePort, field.Invalid(path, number,
			fmt.Sprintf("provided port is not in the valid range. The range of valid ports is %d-%d", firstNodePort, lastNodePort))),
		only(u.ports[number], field.Invalid(path, number, "provided port is already allocated")),
	)
}

// sharedPort is the node port of an earlier port of the same number and
// another protocol.
func sharedPort(spec *corev1.ServiceSpec, i int) (int32, bool) {
	for j := range spec.Ports {
		other := &spec.Ports[j]
		if j != i && other.Port == spec.Ports[i].Port && other.Protocol != spec.Ports[i].Protocol && other.NodePort != 0 {
			return other.NodePort, true
		}
	}
	return 0, false
}

// seed derives a number from the object's identity and what it is for.
func seed(service *corev1.Service, purpose string) uint32 {
	hash := fnv.New32a()
	_, _ = fmt.Fprintf(hash, "%s/%s/%s/%s", service.UID, service.Namespace, service.Name, purpose)
	return hash.Sum32()
}
