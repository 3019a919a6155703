package kinds

import (
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/sets"

	"segno/events"
	"segno/proto"
)

func nodeKind() *events.Kind {
	info, status := corev1.NodeSystemInfo{}.SwaggerDoc(), corev1.NodeStatus{}.SwaggerDoc()
	return &events.Kind{
		GVK:        corev1.SchemeGroupVersion.WithKind("Node"),
		Resource:   nodeResource,
		Singular:   "node",
		ShortNames: []string{"no"},
		Stream:     proto.StreamEvents,

		New:     func() events.Object { return &corev1.Node{} },
		NewList: func() runtime.Object { return &corev1.NodeList{} },

		HasStatus: true,

		Name:           apivalidation.NameIsDNSSubdomain,
		Default:        one(defaultNode),
		PrepareUpdate:  two(func(node, old *corev1.Node) { node.Status = old.Status }),
		PrepareStatus:  two(func(node, _ *corev1.Node) { defaultNodeStatus(&node.Status) }),
		Validate:       check(validateNode),
		ValidateUpdate: compare(validateNodeUpdate),
		ValidateStatus: compare(validateNodeStatus),
		Admit:          admit(admitNode),
		Classify:       classifyNode,
		Fields: selectable(func(node *corev1.Node) fields.Set {
			unschedulable := "false"
			if node.Spec.Unschedulable {
				unschedulable = "true"
			}
			return fields.Set{"spec.unschedulable": unschedulable}
		}),
		FieldNames: []string{"spec.unschedulable"},
		Columns: []metav1.TableColumnDefinition{
			nameColumn, text("Status", "The status of the node"), text("Roles", "The roles of the node"), ageColumn,
			text("Version", info["kubeletVersion"]),
			wide("Internal-IP", status["addresses"]), wide("External-IP", status["addresses"]),
			wide("OS-Image", info["osImage"]), wide("Kernel-Version", info["kernelVersion"]),
			wide("Container-Runtime", info["containerRuntimeVersion"]),
		},
		Row: row(nodeRow),
	}
}

// defaultNode keeps podCIDR the first of podCIDRs.
func defaultNode(node *corev1.Node) {
	defaultNodeStatus(&node.Status)
	switch {
	case node.Spec.PodCIDR == "" && len(node.Spec.PodCIDRs) > 0:
		node.Spec.PodCIDR = node.Spec.PodCIDRs[0]
	case node.Spec.PodCIDR != "" && len(node.Spec.PodCIDRs) == 0:
		node.Spec.PodCIDRs = []string{node.Spec.PodCIDR}
	}
}

// defaultNodeStatus makes allocatable what is there.
func defaultNodeStatus(status *corev1.NodeStatus) {
	if status.Allocatable == nil && status.Capacity != nil {
		status.Allocatable = status.Capacity.DeepCopy()
	}
	roundResources(status.Capacity)
	roundResources(status.Allocatable)
}

func classifyNode(before, after events.Object, section proto.Section) (fact, reason string) {
	if before == nil && after != nil && section == proto.SectionSpec {
		return string(events.NodeRegistered), "Registered"
	}
	return classify(classifyNodeChange)(before, after, section)
}

func classifyNodeChange(before, after *corev1.Node, section proto.Section) (fact, reason string) {
	if section == proto.SectionStatus {
		return classifyNodeStatus(nodeReady(before), nodeReady(after))
	}
	switch {
	case !before.Spec.Unschedulable && after.Spec.Unschedulable:
		return string(events.NodeCordoned), "Cordoned"
	case before.Spec.Unschedulable && !after.Spec.Unschedulable:
		return string(events.NodeUncordoned), "Uncordoned"
	case !equality.Semantic.DeepEqual(before.Spec.Taints, after.Spec.Taints):
		return string(events.NodeTainted), "TaintsChanged"
	}
	return "", ""
}

func classifyNodeStatus(was, is corev1.NodeCondition) (fact, reason string) {
	if was.Status == is.Status {
		return "", ""
	}
	switch is.Status {
	case corev1.ConditionTrue:
		return string(events.NodeReady), is.Reason
	case corev1.ConditionUnknown:
		return string(events.NodeSilent), is.Reason
	case corev1.ConditionFalse:
		return string(events.NodeNotReady), is.Reason
	}
	return "", ""
}

// nodeReady answers the Ready condition, a zero one when it was never reported.
func nodeReady(node *corev1.Node) corev1.NodeCondition {
	for _, c := range node.Status.Conditions {
		if c.Type == corev1.NodeReady {
			return c
		}
	}
	return corev1.NodeCondition{}
}

func nodeRow(node *corev1.Node, now time.Time) []any {
	status := "Unknown"
	switch nodeReady(node).Status {
	case corev1.ConditionTrue:
		status = "Ready"
	case corev1.ConditionFalse, corev1.ConditionUnknown:
		status = "NotReady"
	}
	if node.Spec.Unschedulable {
		status += ",SchedulingDisabled"
	}
	info := node.Status.NodeInfo
	return []any{
		node.Name, status, orNone(strings.Join(nodeRoles(node), ",")), age(node.CreationTimestamp, now), info.KubeletVersion,
		nodeAddress(node, corev1.NodeInternalIP), nodeAddress(node, corev1.NodeExternalIP),
		orUnknown(info.OSImage), orUnknown(info.KernelVersion), orUnknown(info.ContainerRuntimeVersion),
	}
}

// nodeRoles are the labels node-role.kubernetes.io/ROLE and kubernetes.io/role=ROLE.
func nodeRoles(node *corev1.Node) []string {
	roles := sets.New[string]()
	for key, value := range node.Labels {
		if role, ok := strings.CutPrefix(key, "node-role.kubernetes.io/"); ok && role != "" {
			roles.Insert(role)
		}
		if key == "kubernetes.io/role" && value != "" {
			roles.Insert(value)
		}
	}
	return slices.Sorted(slices.Values(roles.UnsortedList()))
}

func nodeAddress(node *corev1.Node, kind corev1.NodeAddressType) string {
	for _, address := range node.Status.Addresses {
		if address.Type == kind {
			return address.Address
		}
	}
	return none
}
