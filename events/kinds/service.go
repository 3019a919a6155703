package kinds

import (
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"

	"segno/events"
	"segno/proto"
)

func serviceKind() *events.Kind {
	doc := corev1.ServiceSpec{}.SwaggerDoc()
	return &events.Kind{
		GVK:        corev1.SchemeGroupVersion.WithKind("Service"),
		Resource:   serviceResource,
		Singular:   "service",
		ShortNames: []string{"svc"},
		Categories: []string{"all"},
		Namespaced: true,
		Stream:     proto.StreamEvents,

		New:     func() events.Object { return &corev1.Service{} },
		NewList: func() runtime.Object { return &corev1.ServiceList{} },

		HasStatus: true,

		Name:    apivalidation.NameIsDNS1035Label,
		Default: one(defaultService),
		PrepareCreate: one(func(service *corev1.Service) {
			service.Status = corev1.ServiceStatus{}
			matchIPs(&service.Spec, nil)
		}),
		PrepareUpdate:  two(prepareServiceUpdate),
		Validate:       check(validateService),
		ValidateUpdate: compare(validateServiceUpdate),
		ValidateStatus: compare(validateServiceStatus),
		Admit:          admit(admitService),
		AdmitStatus:    admit(admitServiceStatus),
		Warn:           warn(warnService),
		Classify:       classify(classifyService),
		Fields: selectable(func(service *corev1.Service) fields.Set {
			return fields.Set{"spec.clusterIP": service.Spec.ClusterIP, "spec.type": string(service.Spec.Type)}
		}),
		FieldNames: []string{"spec.clusterIP", "spec.type"},
		Columns: []metav1.TableColumnDefinition{
			nameColumn, text("Type", doc["type"]), text("Cluster-IP", doc["clusterIP"]), text("External-IP", doc["externalIPs"]),
			text("Port(s)", doc["ports"]), ageColumn, wide("Selector", doc["selector"]),
		},
		Row: row(serviceRow),
	}
}

// MostServedPorts is how many ports of one Service are served: Kubernetes takes
// any number, and every node pays for each.
const MostServedPorts = 1000

func warnService(service, old *corev1.Service) []string {
	n := len(service.Spec.Ports)
	if n <= MostServedPorts || old != nil && len(old.Spec.Ports) == n {
		return nil
	}
	return []string{fmt.Sprintf("spec.ports: of %d ports, the first %d are served", n, MostServedPorts)}
}

func classifyService(before, after *corev1.Service, section proto.Section) (fact, reason string) {
	if section == proto.SectionSpec && before.Spec.ClusterIP == "" && after.Spec.ClusterIP != "" {
		return string(events.ServiceAllocated), "ClusterIPAllocated"
	}
	return "", ""
}

func serviceRow(service *corev1.Service, now time.Time) []any {
	clusterIP := none
	if len(service.Spec.ClusterIPs) > 0 {
		clusterIP = service.Spec.ClusterIPs[0]
	}
	return []any{
		service.Name, string(service.Spec.Type), clusterIP, externalIP(service), servicePorts(service.Spec.Ports),
		age(service.CreationTimestamp, now), labels.FormatLabels(service.Spec.Selector),
	}
}

// externalIP is where a service is reached from outside the cluster.
func externalIP(service *corev1.Service) string {
	given := service.Spec.ExternalIPs
	switch service.Spec.Type {
	case corev1.ServiceTypeExternalName:
		return service.Spec.ExternalName
	case corev1.ServiceTypeLoadBalancer:
		var all []string
		for _, ingress := range service.Status.LoadBalancer.Ingress {
			if ingress.IP != "" {
				all = append(all, ingress.IP)
			} else if ingress.Hostname != "" {
				all = append(all, ingress.Hostname)
			}
		}
		all = append(all, given...)
		if len(all) == 0 {
			return "<pending>"
		}
		return strings.Join(all, ",")
	default:
		return orNone(strings.Join(given, ","))
	}
}

func servicePorts(ports []corev1.ServicePort) string {
	shown := make([]string, len(ports))
	for i, port := range ports {
		shown[i] = fmt.Sprintf("%d/%s", port.Port, port.Protocol)
		if port.NodePort > 0 {
			shown[i] = fmt.Sprintf("%d:%d/%s", port.Port, port.NodePort, port.Protocol)
		}
	}
	return orNone(strings.Join(shown, ","))
}
