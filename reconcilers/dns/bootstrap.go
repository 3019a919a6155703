// Package dns makes the Service by which tools find the cluster's DNS.
//
// What comes in: the state, at a cluster's start and whenever the Service may be
// missing (reconcilers/standing). What goes out: what makes it, if it is.
//
// What never happens here: an answer. Each node answers by itself at the
// Service's address (agents/dns), so that it has no endpoints, and a label
// keeps the proxies from refusing its traffic for want of them.
//
// All of it is in this file.
package dns

import (
	"net/netip"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"segno/events"
	"segno/events/kinds"
	"segno/reconcilers"
	"segno/reconcilers/internal/holder"
)

// Bootstrap answers what makes the Service of the cluster's DNS at its address:
// nothing when it is there, or when the address is a Service's of before it was kept
// for it.
func Bootstrap(view events.View, address netip.Addr) (events.Batch, error) {
	own, rival, err := holder.Find(view, kinds.DNSService, address)
	if err != nil || own != nil || rival != nil {
		return nil, err
	}
	key := reconcilers.Services.Key(kinds.DNSService.Namespace, kinds.DNSService.Name)
	return events.Batch{events.Create{Key: key, Object: service(address), UID: reconcilers.UID("service", key.String(), view.Seq())}}, nil
}

func service(address netip.Addr) *corev1.Service {
	port := func(name string, protocol corev1.Protocol) corev1.ServicePort {
		return corev1.ServicePort{Name: name, Protocol: protocol, Port: 53, TargetPort: intstr.FromInt32(53)}
	}
	return &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: kinds.DNSService.Namespace, Name: kinds.DNSService.Name,
			Labels: map[string]string{
				"k8s-app": "kube-dns", "kubernetes.io/cluster-service": "true", "kubernetes.io/name": "segno-dns",
				"service.kubernetes.io/service-proxy-name": "segno-dns",
			},
		},
		Spec: corev1.ServiceSpec{
			ClusterIP: address.String(),
			Ports:     []corev1.ServicePort{port("dns", corev1.ProtocolUDP), port("dns-tcp", corev1.ProtocolTCP)},
		},
	}
}
