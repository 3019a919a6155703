package kinds

import (
	"slices"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"segno/events"
	"segno/proto"
)

// The sizes of a slice.
const (
	maxEndpoints     = 1000
	maxAddresses     = 100
	maxSlicePorts    = 20000
	maxTopologyPairs = 16
	maxHints         = 8
)

func endpointSliceKind() *events.Kind {
	doc := discoveryv1.EndpointSlice{}.SwaggerDoc()
	return &events.Kind{
		GVK:        discoveryv1.SchemeGroupVersion.WithKind("EndpointSlice"),
		Resource:   resourceOf(discoveryv1.SchemeGroupVersion, "endpointslices"),
		Singular:   "endpointslice",
		Namespaced: true,
		Stream:     proto.StreamEvents,

		New:     func() events.Object { return &discoveryv1.EndpointSlice{} },
		NewList: func() runtime.Object { return &discoveryv1.EndpointSliceList{} },

		Name:           apivalidation.NameIsDNSSubdomain,
		Default:        one(defaultEndpointSlice),
		PrepareCreate:  one(func(slice *discoveryv1.EndpointSlice) { slice.Generation = 1 }),
		PrepareUpdate:  two(prepareEndpointSliceUpdate),
		Validate:       check(validateEndpointSlice),
		ValidateUpdate: compare(validateEndpointSliceUpdate),
		Classify:       classify(classifyEndpointSlice),
		Columns: []metav1.TableColumnDefinition{
			nameColumn, text("AddressType", doc["addressType"]), text("Ports", doc["ports"]), text("Endpoints", doc["endpoints"]), ageColumn,
		},
		Row: row(endpointSliceRow),
	}
}

func defaultEndpointSlice(slice *discoveryv1.EndpointSlice) {
	for i := range slice.Ports {
		fillPointer(&slice.Ports[i].Name, "")
		fillPointer(&slice.Ports[i].Protocol, corev1.ProtocolTCP)
	}
}

func prepareEndpointSliceUpdate(slice, old *discoveryv1.EndpointSlice) {
	raiseGeneration(slice, old, !sameEndpoints(slice, old) || !equality.Semantic.DeepEqual(slice.Labels, old.Labels))
}

func sameEndpoints(a, b *discoveryv1.EndpointSlice) bool {
	return a.AddressType == b.AddressType && equality.Semantic.DeepEqual(a.Endpoints, b.Endpoints) && equality.Semantic.DeepEqual(a.Ports, b.Ports)
}

func validateEndpointSlice(slice *discoveryv1.EndpointSlice) field.ErrorList {
	endpoints, ports := field.NewPath("endpoints"), field.NewPath("ports")
	errs := oneOf(field.NewPath("addressType"), slice.AddressType,
		discoveryv1.AddressTypeFQDN, discoveryv1.AddressTypeIPv4, discoveryv1.AddressTypeIPv6)
	if len(slice.Endpoints) > maxEndpoints {
		return append(errs, field.TooMany(endpoints, len(slice.Endpoints), maxEndpoints))
	}
	errs = append(errs, each(endpoints, slice.Endpoints, func(path *field.Path, endpoint *discoveryv1.Endpoint) field.ErrorList {
		return validateEndpoint(path, endpoint, slice.AddressType)
	})...)
	if len(slice.Ports) > maxSlicePorts {
		return append(errs, field.TooMany(ports, len(slice.Ports), maxSlicePorts))
	}
	names := sets.New[string]()
	return append(errs, each(ports, slice.Ports, func(path *field.Path, port *discoveryv1.EndpointPort) field.ErrorList {
		name := deref(port.Name, "")
		return slices.Concat(
			optional(path.Child("name"), name, dnsLabel),
			unique(path.Child("name"), name, names),
			oneOf(path.Child("protocol"), deref(port.Protocol, ""), protocols...),
			optional(path.Child("appProtocol"), deref(port.AppProtocol, ""), validation.IsQualifiedName),
			validateSlicePort(path.Child("port"), port.Port),
		)
	})...)
}

// validateSlicePort allows no port: it means all of them.
func validateSlicePort(path *field.Path, port *int32) field.ErrorList {
	if port == nil {
		return nil
	}
	return portNumber(path, *port)
}

func validateEndpoint(path *field.Path, endpoint *discoveryv1.Endpoint, kind discoveryv1.AddressType) field.ErrorList {
	addresses := path.Child("addresses")
	errs := only(len(endpoint.Addresses) == 0, field.Required(addresses, "must contain at least 1 address"))
	errs = append(errs, only(len(endpoint.Addresses) > maxAddresses, field.TooMany(addresses, len(endpoint.Addresses), maxAddresses))...)
	for i, address := range endpoint.Addresses {
		errs = append(errs, validateSliceAddress(addresses.Index(i), address, kind)...)
	}
	errs = append(errs, optional(path.Child("nodeName"), deref(endpoint.NodeName, ""), dnsSubdomain)...)
	errs = append(errs, optional(path.Child("hostname"), deref(endpoint.Hostname, ""), dnsLabel)...)
	topology := path.Child("deprecatedTopology")
	errs = append(errs, only(len(endpoint.DeprecatedTopology) > maxTopologyPairs,
		field.TooMany(topology, len(endpoint.DeprecatedTopology), maxTopologyPairs))...)
	errs = append(errs, validateLabels(topology, endpoint.DeprecatedTopology)...)
	if endpoint.Hints != nil {
		errs = append(errs, validateHints(path.Child("hints"), endpoint.Hints)...)
	}
	return errs
}

func validateHints(path *field.Path, hints *discoveryv1.EndpointHints) field.ErrorList {
	zones, nodes := path.Child("forZones"), path.Child("forNodes")
	if len(hints.ForZones) > maxHints || len(hints.ForNodes) > maxHints {
		return append(only(len(hints.ForZones) > maxHints, field.TooMany(zones, len(hints.ForZones), maxHints)),
			only(len(hints.ForNodes) > maxHints, field.TooMany(nodes, len(hints.ForNodes), maxHints))...)
	}
	seen, there := sets.New[string](), sets.New[string]()
	return append(
		each(zones, hints.ForZones, func(path *field.Path, zone *discoveryv1.ForZone) field.ErrorList {
			return append(named(path.Child("name"), zone.Name, validation.IsValidLabelValue), unique(path.Child("name"), zone.Name, seen)...)
		}),
		each(nodes, hints.ForNodes, func(path *field.Path, node *discoveryv1.ForNode) field.ErrorList {
			return append(named(path.Child("name"), node.Name, dnsSubdomain), unique(path.Child("name"), node.Name, there)...)
		})...)
}

func validateSliceAddress(path *field.Path, address string, kind discoveryv1.AddressType) field.ErrorList {
	switch kind {
	case discoveryv1.AddressTypeFQDN:
		return validation.IsFullyQualifiedDomainName(path, address)
	case discoveryv1.AddressTypeIPv4, discoveryv1.AddressTypeIPv6:
		if errs := validation.IsValidIPForLegacyField(path, address, false, nil); len(errs) > 0 {
			return errs
		}
		six := slices.Contains([]byte(address), ':')
		if kind == discoveryv1.AddressTypeIPv4 && six {
			return field.ErrorList{field.Invalid(path, address, "must be an IPv4 address")}
		}
		if kind == discoveryv1.AddressTypeIPv6 && !six {
			return field.ErrorList{field.Invalid(path, address, "must be an IPv6 address")}
		}
		return ordinaryIP(path, address)
	default:
		return nil
	}
}

func validateEndpointSliceUpdate(slice, old *discoveryv1.EndpointSlice) field.ErrorList {
	return append(validateEndpointSlice(slice), unchanged(field.NewPath("addressType"), slice.AddressType, old.AddressType)...)
}

func classifyEndpointSlice(before, after *discoveryv1.EndpointSlice, _ proto.Section) (fact, reason string) {
	if sameEndpoints(before, after) {
		return "", ""
	}
	return string(events.EndpointSliceChanged), "AddressesChanged"
}

func endpointSliceRow(slice *discoveryv1.EndpointSlice, now time.Time) []any {
	var ports, addresses []string
	for _, port := range slice.Ports {
		switch {
		case port.Port != nil:
			ports = append(ports, strconv.Itoa(int(*port.Port)))
		case deref(port.Name, "") != "":
			ports = append(ports, *port.Name)
		default:
			ports = append(ports, "*")
		}
	}
	for i := range slice.Endpoints {
		addresses = append(addresses, slice.Endpoints[i].Addresses...)
	}
	return []any{
		slice.Name, string(slice.AddressType), firstOf(ports, "<unset>"), firstOf(addresses, "<unset>"), age(slice.CreationTimestamp, now),
	}
}
