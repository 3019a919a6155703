package kinds

import (
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"segno/events"
	"segno/proto"
)

// maxShown is how many addresses one cell shows before it only counts.
const maxShown = 3

func endpointsKind() *events.Kind {
	return &events.Kind{
		GVK:        corev1.SchemeGroupVersion.WithKind("Endpoints"),
		Resource:   resourceOf(corev1.SchemeGroupVersion, "endpoints"),
		Singular:   "endpoints",
		ShortNames: []string{"ep"},
		Namespaced: true,
		Stream:     proto.StreamEvents,

		New:     func() events.Object { return &corev1.Endpoints{} },
		NewList: func() runtime.Object { return &corev1.EndpointsList{} },

		Name:     apivalidation.NameIsDNSSubdomain,
		Default:  one(defaultEndpoints),
		Validate: check(validateEndpoints),
		Classify: classify(classifyEndpoints),
		Columns:  []metav1.TableColumnDefinition{nameColumn, text("Endpoints", corev1.Endpoints{}.SwaggerDoc()["subsets"]), ageColumn},
		Row: row(func(endpoints *corev1.Endpoints, now time.Time) []any {
			return []any{endpoints.Name, showEndpoints(endpoints), age(endpoints.CreationTimestamp, now)}
		}),
	}
}

func defaultEndpoints(endpoints *corev1.Endpoints) {
	for i := range endpoints.Subsets {
		for j := range endpoints.Subsets[i].Ports {
			fill(&endpoints.Subsets[i].Ports[j].Protocol, corev1.ProtocolTCP)
		}
	}
}

func validateEndpoints(endpoints *corev1.Endpoints) field.ErrorList {
	return each(field.NewPath("subsets"), endpoints.Subsets, func(path *field.Path, subset *corev1.EndpointSubset) field.ErrorList {
		return slices.Concat(
			only(len(subset.Addresses)+len(subset.NotReadyAddresses) == 0,
				field.Required(path, "must specify `addresses` or `notReadyAddresses`")),
			each(path.Child("addresses"), subset.Addresses, validateEndpointAddress),
			each(path.Child("notReadyAddresses"), subset.NotReadyAddresses, validateEndpointAddress),
			each(path.Child("ports"), subset.Ports, func(path *field.Path, port *corev1.EndpointPort) field.ErrorList {
				return validateEndpointPort(path, port, len(subset.Ports) > 1)
			}),
		)
	})
}

func validateEndpointAddress(path *field.Path, address *corev1.EndpointAddress) field.ErrorList {
	if errs := validation.IsValidIPForLegacyField(path.Child("ip"), address.IP, false, nil); len(errs) > 0 {
		return errs
	}
	return slices.Concat(
		ordinaryIP(path.Child("ip"), address.IP),
		optional(path.Child("hostname"), address.Hostname, dnsLabel),
		optional(path.Child("nodeName"), deref(address.NodeName, ""), dnsSubdomain),
	)
}

func validateEndpointPort(path *field.Path, port *corev1.EndpointPort, needsName bool) field.ErrorList {
	return slices.Concat(
		only(port.Name == "" && needsName, field.Required(path.Child("name"), "")),
		optional(path.Child("name"), port.Name, dnsLabel),
		portNumber(path.Child("port"), port.Port),
		oneOf(path.Child("protocol"), port.Protocol, protocols...),
		optional(path.Child("appProtocol"), deref(port.AppProtocol, ""), validation.IsQualifiedName),
	)
}

func classifyEndpoints(before, after *corev1.Endpoints, _ proto.Section) (fact, reason string) {
	if equality.Semantic.DeepEqual(before.Subsets, after.Subsets) {
		return "", ""
	}
	return string(events.EndpointsChanged), "AddressesChanged"
}

func showEndpoints(endpoints *corev1.Endpoints) string {
	var shown []string
	for _, subset := range endpoints.Subsets {
		for _, address := range subset.Addresses {
			if len(subset.Ports) == 0 {
				shown = append(shown, address.IP)
			}
		}
		for _, port := range subset.Ports {
			for _, address := range subset.Addresses {
				shown = append(shown, net.JoinHostPort(address.IP, strconv.Itoa(int(port.Port))))
			}
		}
	}
	return firstOf(shown, none)
}

// firstOf shows the first few of a list and counts the others.
func firstOf(all []string, empty string) string {
	if len(all) == 0 {
		return empty
	}
	if len(all) <= maxShown {
		return strings.Join(all, ",")
	}
	return fmt.Sprintf("%s + %d more...", strings.Join(all[:maxShown], ","), len(all)-maxShown)
}
