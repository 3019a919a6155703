package kinds

import (
	"strings"
	"time"

	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"segno/events"
	"segno/proto"
)

// The class that nodes of segno serve.
const (
	// IngressController is what the class's controller is called.
	IngressController = "segno.io/ingress"
	// IngressClass is the class that a cluster has from its start.
	IngressClass = "segno"
)

// longestController is how long the name of a controller may be.
const longestController = 250

func ingressClassKind() *events.Kind {
	doc := networkingv1.IngressClassSpec{}.SwaggerDoc()
	return &events.Kind{
		GVK:      networkingv1.SchemeGroupVersion.WithKind("IngressClass"),
		Resource: ingressClassResource,
		Singular: "ingressclass",
		Stream:   proto.StreamEvents,

		New:     func() events.Object { return &networkingv1.IngressClass{} },
		NewList: func() runtime.Object { return &networkingv1.IngressClassList{} },

		Name:          apivalidation.NameIsDNSSubdomain,
		Default:       one(defaultIngressClass),
		PrepareCreate: one(func(class *networkingv1.IngressClass) { class.Generation = 1 }),
		PrepareUpdate: two(func(class, old *networkingv1.IngressClass) {
			raiseGeneration(class, old, !equality.Semantic.DeepEqual(class.Spec, old.Spec))
		}),
		Validate:       check(validateIngressClass),
		ValidateUpdate: compare(validateIngressClassUpdate),
		Columns: []metav1.TableColumnDefinition{
			nameColumn, text("Controller", doc["controller"]), text("Parameters", doc["parameters"]), ageColumn,
		},
		Row: row(func(class *networkingv1.IngressClass, now time.Time) []any {
			return []any{class.Name, class.Spec.Controller, classParameters(class.Spec.Parameters), age(class.CreationTimestamp, now)}
		}),
	}
}

func defaultIngressClass(class *networkingv1.IngressClass) {
	if p := class.Spec.Parameters; p != nil {
		fillPointer(&p.Scope, networkingv1.IngressClassParametersReferenceScopeCluster)
	}
}

func classParameters(p *networkingv1.IngressClassParametersReference) string {
	if p == nil {
		return none
	}
	kind := p.Kind
	if group := deref(p.APIGroup, ""); group != "" {
		kind += "." + group
	}
	return kind + "/" + p.Name
}

func validateIngressClass(class *networkingv1.IngressClass) field.ErrorList {
	path, controller := specPath.Child("controller"), class.Spec.Controller
	errs := only(len(controller) > longestController, field.TooLong(path, "", longestController))
	errs = append(errs, validation.IsDomainPrefixedPath(path, controller)...)
	if class.Spec.Parameters == nil {
		return errs
	}
	return append(errs, validateClassParameters(specPath.Child("parameters"), class.Spec.Parameters)...)
}

func validateClassParameters(path *field.Path, p *networkingv1.IngressClassParametersReference) field.ErrorList {
	errs := validateReference(path, deref(p.APIGroup, ""), p.Kind, p.Name)
	scope, namespace := path.Child("scope"), path.Child("namespace")
	const cluster, inNamespace = networkingv1.IngressClassParametersReferenceScopeCluster, networkingv1.IngressClassParametersReferenceScopeNamespace
	switch deref(p.Scope, "") {
	case cluster:
		return append(errs, only(p.Namespace != nil, field.Forbidden(namespace, "`parameters.scope` is set to 'Cluster'"))...)
	case inNamespace:
		if p.Namespace == nil {
			return append(errs, field.Required(namespace, "`parameters.scope` is set to 'Namespace'"))
		}
		return append(errs, invalid(namespace, *p.Namespace, dnsLabel(*p.Namespace))...)
	default:
		return append(errs, oneOf(scope, deref(p.Scope, ""), cluster, inNamespace)...)
	}
}

// validateReference checks a reference to an object of any kind.
func validateReference(path *field.Path, group, kind, name string) field.ErrorList {
	errs := optional(path.Child("apiGroup"), group, validation.IsDNS1123Subdomain)
	if kind == "" {
		errs = append(errs, field.Required(path.Child("kind"), "kind is required"))
	} else {
		errs = append(errs, invalid(path.Child("kind"), kind, segmentName(kind))...)
	}
	if name == "" {
		return append(errs, field.Required(path.Child("name"), "name is required"))
	}
	return append(errs, invalid(path.Child("name"), name, segmentName(name))...)
}

// segmentName is a name that can stand in the path of an address.
func segmentName(name string) []string {
	if name == "." || name == ".." {
		return []string{"may not be '" + name + "'"}
	}
	var bad []string
	for _, c := range []string{"/", "%"} {
		if strings.Contains(name, c) {
			bad = append(bad, "may not contain '"+c+"'")
		}
	}
	return bad
}

func validateIngressClassUpdate(class, old *networkingv1.IngressClass) field.ErrorList {
	return append(validateIngressClass(class), unchanged(specPath.Child("controller"), class.Spec.Controller, old.Spec.Controller)...)
}
