package kinds

import (
	"fmt"
	"slices"
	"strings"
	"time"

	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"segno/events"
	"segno/proto"
)

var (
	ingressResource      = resourceOf(networkingv1.SchemeGroupVersion, "ingresses")
	ingressClassResource = resourceOf(networkingv1.SchemeGroupVersion, "ingressclasses")
)

// ClassAnnotation is how Ingresses named their class before there was a field.
const ClassAnnotation = "kubernetes.io/ingress.class"

// IngressClassOf is the name of the class that an Ingress asks for, "" for none.
func IngressClassOf(ingress *networkingv1.Ingress) string {
	return deref(ingress.Spec.IngressClassName, ingress.Annotations[ClassAnnotation])
}

func ingressKind() *events.Kind {
	doc := networkingv1.IngressSpec{}.SwaggerDoc()
	return &events.Kind{
		GVK:        networkingv1.SchemeGroupVersion.WithKind("Ingress"),
		Resource:   ingressResource,
		Singular:   "ingress",
		ShortNames: []string{"ing"},
		Namespaced: true,
		Stream:     proto.StreamEvents,

		New:     func() events.Object { return &networkingv1.Ingress{} },
		NewList: func() runtime.Object { return &networkingv1.IngressList{} },

		HasStatus: true,

		Name: apivalidation.NameIsDNSSubdomain,
		PrepareCreate: one(func(ingress *networkingv1.Ingress) {
			ingress.Status = networkingv1.IngressStatus{}
			ingress.Generation = 1
		}),
		PrepareUpdate: two(func(ingress, old *networkingv1.Ingress) {
			ingress.Status = old.Status
			raiseGeneration(ingress, old, !equality.Semantic.DeepEqual(ingress.Spec, old.Spec))
		}),
		Validate:       check(validateNewIngress),
		ValidateUpdate: compare(validateIngressUpdate),
		ValidateStatus: compare(validateIngressStatus),
		Admit:          admit(admitIngress),
		Columns: []metav1.TableColumnDefinition{
			nameColumn, text("Class", doc["ingressClassName"]), text("Hosts", "Hosts that incoming requests are matched against"),
			text("Address", "Where the Ingress is reached"), text("Ports", "Ports of TLS and plain traffic that the Ingress defines"), ageColumn,
		},
		Row: row(ingressRow),
	}
}

// admitIngress gives a new Ingress without a class the default one: of several
// the newest, as Kubernetes does.
func admitIngress(view events.View, ingress, old *networkingv1.Ingress) error {
	if _, annotated := ingress.Annotations[ClassAnnotation]; old != nil || annotated || ingress.Spec.IngressClassName != nil {
		return nil
	}
	classes, err := events.ListAs[*networkingv1.IngressClass](view, events.Query{Resource: ingressClassResource})
	if err != nil {
		return fmt.Errorf("look for the default class of ingress %s/%s: %w", ingress.Namespace, ingress.Name, err)
	}
	classes = slices.DeleteFunc(classes, func(c *networkingv1.IngressClass) bool {
		return c.Annotations[networkingv1.AnnotationIsDefaultIngressClass] != "true"
	})
	if len(classes) == 0 {
		return nil
	}
	newest := slices.MinFunc(classes, func(a, b *networkingv1.IngressClass) int {
		if at := b.CreationTimestamp.Compare(a.CreationTimestamp.Time); at != 0 {
			return at
		}
		return strings.Compare(a.Name, b.Name)
	})
	name := newest.Name
	ingress.Spec.IngressClassName = &name
	return nil
}

// shownHosts is how many hosts a table has room for.
const shownHosts = 3

func ingressRow(ingress *networkingv1.Ingress, now time.Time) []any {
	ports := "80"
	if len(ingress.Spec.TLS) > 0 {
		ports = "80, 443"
	}
	return []any{
		ingress.Name, orNone(IngressClassOf(ingress)), ingressHosts(ingress.Spec.Rules), ingressAddress(ingress), ports,
		age(ingress.CreationTimestamp, now),
	}
}

func ingressHosts(rules []networkingv1.IngressRule) string {
	var hosts []string
	for i := range rules {
		if host := rules[i].Host; host != "" {
			hosts = append(hosts, host)
		}
	}
	switch more := len(hosts) - shownHosts; {
	case len(hosts) == 0:
		return "*"
	case more > 0:
		return fmt.Sprintf("%s + %d more...", strings.Join(hosts[:shownHosts], ","), more)
	}
	return strings.Join(hosts, ",")
}

func ingressAddress(ingress *networkingv1.Ingress) string {
	var all []string
	for _, at := range ingress.Status.LoadBalancer.Ingress {
		switch {
		case at.IP != "":
			all = append(all, at.IP)
		case at.Hostname != "":
			all = append(all, at.Hostname)
		}
	}
	return strings.Join(all, ",")
}
