package kinds

import (
	"fmt"
	"net/netip"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"segno/events"
	"segno/proto"
)

// LoadBalancerClass names segno's own load balancer; a Service without a class
// has it, too.
const LoadBalancerClass = "segno/load-balancer"

// LoadBalancerCondition is the condition of a Service that tells what became of
// its wish for an address. While it is True, the addresses in the status are of
// segno's pool, and nodes announce them; otherwise they are somebody else's.
const LoadBalancerCondition = "segno/LoadBalancer"

// PoolConfig is the ConfigMap that holds the pool, and PoolKey where in it.
var PoolConfig = types.NamespacedName{Namespace: metav1.NamespaceSystem, Name: "load-balancer"}

// PoolKey is the key of the ConfigMap PoolConfig below which the pool is.
const PoolKey = "pool"

// LoadBalancerPool is the cluster's pool; nil when it has none. The flaw tells a
// person what is wrong with the one that is there.
func LoadBalancerPool(view events.View) (pool AddressPool, flaw, err error) {
	config, found, err := events.GetAs[*corev1.ConfigMap](view, proto.Resource{Name: "configmaps"}.Key(PoolConfig.Namespace, PoolConfig.Name))
	if err != nil || !found {
		return nil, nil, err
	}
	pool, flaw = ParseAddressPool(config.Data[PoolKey])
	return pool, flaw, nil
}

// Balanced tells whether segno's load balancer gives the Service its address.
func Balanced(service *corev1.Service) bool {
	class := service.Spec.LoadBalancerClass
	return service.Spec.Type == corev1.ServiceTypeLoadBalancer && (class == nil || *class == LoadBalancerClass)
}

// Addressed tells whether what is in the Service's status came from the pool.
func Addressed(service *corev1.Service) bool {
	return meta.IsStatusConditionTrue(service.Status.Conditions, LoadBalancerCondition)
}

// LoadBalancerAddresses are those of the status at which traffic for the Service
// arrives as it is. What cannot be read is left out.
func LoadBalancerAddresses(service *corev1.Service) (out []netip.Addr) {
	for _, in := range service.Status.LoadBalancer.Ingress {
		if address, err := netip.ParseAddr(in.IP); err == nil && deref(in.IPMode, corev1.LoadBalancerIPModeVIP) == corev1.LoadBalancerIPModeVIP {
			out = append(out, address.Unmap())
		}
	}
	return out
}

// admitConfigMap looks at the pool: one that makes no sense is not taken.
func admitConfigMap(view events.View, config, old *corev1.ConfigMap) error {
	if config.Namespace != PoolConfig.Namespace || config.Name != PoolConfig.Name || old != nil && old.Data[PoolKey] == config.Data[PoolKey] {
		return nil
	}
	pods, _, err := PodNetworks(view)
	if err != nil {
		return err
	}
	services, _, err := RangesOfServices(view)
	if err != nil {
		return err
	}
	pool, flaw := ParseAddressPool(config.Data[PoolKey])
	if flaw == nil {
		flaw = pool.apart(pods, services.Networks)
	}
	if flaw != nil {
		bad := field.Invalid(dataPath.Key(PoolKey), config.Data[PoolKey], flaw.Error())
		return apierrors.NewInvalid(corev1.SchemeGroupVersion.WithKind("ConfigMap").GroupKind(), config.Name, field.ErrorList{bad})
	}
	return nil
}

// apart compares a pool with what else has addresses.
func (p AddressPool) apart(pods, services []netip.Prefix) error {
	for _, r := range p {
		for _, network := range pods {
			if r.Overlaps(network) {
				return fmt.Errorf("address pool: %s overlaps %s, where the addresses of pods are", r, network)
			}
		}
		for _, network := range services {
			if r.Overlaps(network) {
				return fmt.Errorf("address pool: %s overlaps %s, where the cluster IPs of Services are", r, network)
			}
		}
	}
	return nil
}

// admitServiceStatus makes addresses of the pool unique: whoever writes one, it
// is refused while another Service has it.
func admitServiceStatus(view events.View, service, old *corev1.Service) error {
	fresh := fresh(service, old)
	if !Balanced(service) || len(fresh) == 0 {
		return nil
	}
	all, err := events.ListAs[*corev1.Service](view, events.Query{Resource: serviceResource})
	if err != nil {
		return fmt.Errorf("list services: %w", err)
	}
	for _, other := range all {
		if other.UID == service.UID || !Addressed(other) {
			continue
		}
		for _, address := range LoadBalancerAddresses(other) {
			if fresh[address] {
				return apierrors.NewConflict(groupResource(serviceResource), service.Name,
					fmt.Errorf("the load balancer address %s is that of the Service %s/%s", address, other.Namespace, other.Name))
			}
		}
	}
	return nil
}

// fresh are the addresses that a status has and the old one had not.
func fresh(service, old *corev1.Service) map[netip.Addr]bool {
	out := map[netip.Addr]bool{}
	for _, address := range LoadBalancerAddresses(service) {
		out[address] = true
	}
	for _, address := range LoadBalancerAddresses(old) {
		delete(out, address)
	}
	return out
}
