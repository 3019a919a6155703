package kinds

import (
	"time"

	corev1 "k8s.io/api/core/v1"
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

func networkPolicyKind() *events.Kind {
	return &events.Kind{
		GVK:        networkingv1.SchemeGroupVersion.WithKind("NetworkPolicy"),
		Resource:   resourceOf(networkingv1.SchemeGroupVersion, "networkpolicies"),
		Singular:   "networkpolicy",
		ShortNames: []string{"netpol"},
		Namespaced: true,
		Stream:     proto.StreamEvents,

		New:     func() events.Object { return &networkingv1.NetworkPolicy{} },
		NewList: func() runtime.Object { return &networkingv1.NetworkPolicyList{} },

		Name:          apivalidation.NameIsDNSSubdomain,
		Default:       one(defaultNetworkPolicy),
		PrepareCreate: one(func(policy *networkingv1.NetworkPolicy) { policy.Generation = 1 }),
		PrepareUpdate: two(func(policy, old *networkingv1.NetworkPolicy) {
			raiseGeneration(policy, old, !equality.Semantic.DeepEqual(policy.Spec, old.Spec))
		}),
		Validate:       check(validateNetworkPolicy),
		ValidateUpdate: compare(func(policy, _ *networkingv1.NetworkPolicy) field.ErrorList { return validateNetworkPolicy(policy) }),
		Warn:           warn(warnNetworkPolicy),
		Columns: []metav1.TableColumnDefinition{
			nameColumn, text("Pod-Selector", networkingv1.NetworkPolicySpec{}.SwaggerDoc()["podSelector"]), ageColumn,
		},
		Row: row(func(policy *networkingv1.NetworkPolicy, now time.Time) []any {
			return []any{policy.Name, metav1.FormatLabelSelector(&policy.Spec.PodSelector), age(policy.CreationTimestamp, now)}
		}),
	}
}

// defaultNetworkPolicy takes a policy without types to be about what comes in,
// and about what goes out only if it says something of that.
func defaultNetworkPolicy(policy *networkingv1.NetworkPolicy) {
	spec := &policy.Spec
	for i := range spec.Ingress {
		defaultPolicyPorts(spec.Ingress[i].Ports)
	}
	for i := range spec.Egress {
		defaultPolicyPorts(spec.Egress[i].Ports)
	}
	if len(spec.PolicyTypes) > 0 {
		return
	}
	spec.PolicyTypes = []networkingv1.PolicyType{networkingv1.PolicyTypeIngress}
	if len(spec.Egress) > 0 {
		spec.PolicyTypes = append(spec.PolicyTypes, networkingv1.PolicyTypeEgress)
	}
}

func defaultPolicyPorts(ports []networkingv1.NetworkPolicyPort) {
	for i := range ports {
		fillPointer(&ports[i].Protocol, corev1.ProtocolTCP)
	}
}

func warnNetworkPolicy(policy, _ *networkingv1.NetworkPolicy) []string {
	var out []string
	peers := func(path *field.Path, peers []networkingv1.NetworkPolicyPeer) {
		for i := range peers {
			if block := peers[i].IPBlock; block != nil {
				at := path.Index(i).Child("ipBlock")
				out = append(out, validation.GetWarningsForCIDR(at.Child("cidr"), block.CIDR)...)
				for j := range block.Except {
					out = append(out, validation.GetWarningsForCIDR(at.Child("except").Index(j), block.Except[j])...)
				}
			}
		}
	}
	spec := field.NewPath("spec")
	for i := range policy.Spec.Ingress {
		peers(spec.Child("ingress").Index(i).Child("from"), policy.Spec.Ingress[i].From)
	}
	for i := range policy.Spec.Egress {
		peers(spec.Child("egress").Index(i).Child("to"), policy.Spec.Egress[i].To)
	}
	return out
}
