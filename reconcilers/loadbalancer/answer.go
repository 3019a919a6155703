package loadbalancer

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"segno/events"
	"segno/events/kinds"
	"segno/reconcilers"
)

// component is who says the notes, as people know it.
const component = "service-controller"

// answer writes what was chosen, if that is news.
func (c *choice) answer(at time.Time) (d reconcilers.Decision) {
	told := events.Copy(c.service)
	told.Status.LoadBalancer.Ingress = ingress(c.gets, c.service)
	changed := meta.SetStatusCondition(&told.Status.Conditions, c.condition(at))
	if slices.Equal(c.gets, c.has) && !changed {
		return d
	}
	update(&d, told, c.reason())
	note := func(warning bool, reason, format string, args ...any) {
		d.Notes = append(d.Notes, reconcilers.Note{
			About: reconcilers.About(reconcilers.ServiceKind, c.service), Warning: warning, Reason: reason,
			Message: fmt.Sprintf(format, args...), From: component,
		})
	}
	if len(c.lost) > 0 {
		note(true, "DeletedLoadBalancer", "Took back %s: not of the pool any more", texts(c.lost))
	}
	if len(c.gets) > 0 && !slices.Equal(c.gets, c.has) {
		note(false, "EnsuredLoadBalancer", "Ensured load balancer: %s", texts(c.gets))
	}
	if len(c.lacks) > 0 {
		note(true, "SyncLoadBalancerFailed", "Error syncing load balancer: %s", c.message())
	}
	return d
}

// reason is that of the event in the log.
func (c *choice) reason() string {
	switch {
	case len(c.lost) > 0:
		return "AddressTakenBack"
	case len(c.gets) > 0 && !slices.Equal(c.gets, c.has):
		return reasonGiven
	case len(c.lacks) > 0:
		return c.lacks[0].reason
	default:
		return "ConditionChanged"
	}
}

func (c *choice) condition(at time.Time) metav1.Condition {
	is := metav1.Condition{
		Type: kinds.LoadBalancerCondition, Status: metav1.ConditionFalse, Reason: reasonGiven,
		Message: c.message(), LastTransitionTime: reconcilers.Stamp(at),
	}
	if len(c.gets) > 0 {
		is.Status = metav1.ConditionTrue
	}
	if len(c.lacks) > 0 {
		is.Reason = c.lacks[0].reason
	}
	return is
}

func (c *choice) message() string {
	all := make([]string, len(c.lacks))
	for i, short := range c.lacks {
		all[i] = short.message
	}
	return strings.Join(all, "; ")
}

// release takes back what a Service has that is not of ours any more.
func release(service *corev1.Service) (d reconcilers.Decision) {
	told := events.Copy(service)
	if kinds.Addressed(service) {
		told.Status.LoadBalancer.Ingress = nil
	}
	meta.RemoveStatusCondition(&told.Status.Conditions, kinds.LoadBalancerCondition)
	update(&d, told, "AddressReleased")
	return d
}

func update(d *reconcilers.Decision, told *corev1.Service, reason string) {
	key := reconcilers.Services.Key(told.Namespace, told.Name)
	d.Do(reason, events.Update{Key: key, Subresource: events.SubStatus, Object: told})
}

// ingress keeps entries that are there already as they are.
func ingress(addresses []netip.Addr, service *corev1.Service) (out []corev1.LoadBalancerIngress) {
	mode := corev1.LoadBalancerIPModeVIP
	for _, address := range addresses {
		one := corev1.LoadBalancerIngress{IP: address.String(), IPMode: &mode}
		for _, is := range service.Status.LoadBalancer.Ingress {
			if is.IP == one.IP {
				one = is
			}
		}
		out = append(out, one)
	}
	return out
}

func condition(s *corev1.Service) *metav1.Condition {
	return meta.FindStatusCondition(s.Status.Conditions, kinds.LoadBalancerCondition)
}

func texts(addresses []netip.Addr) string {
	all := make([]string, len(addresses))
	for i, address := range addresses {
		all[i] = address.String()
	}
	return strings.Join(all, ", ")
}
