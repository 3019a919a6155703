package api

import (
	"context"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/fields"

	"segno/events"
	"segno/proto"
)

// nodeRule lets a node read what it needs to run its pods, and write only what
// is its own. Nodes register and report over the bus; this is for tools that
// speak HTTP with a node's certificate.
type nodeRule struct {
	store Store
	table *events.Table
}

var readVerbs = []string{verbGet, verbList, verbWatch}

// Authorize implements Authorizer.
func (n nodeRule) Authorize(_ context.Context, user User, t Target) (bool, string, error) {
	node := user.Node()
	if node == "" {
		return false, "", nil
	}
	switch t.Resource + "." + t.Group {
	case "services.", "endpoints.", "namespaces.", "endpointslices.discovery.k8s.io":
		return slices.Contains(readVerbs, t.Verb) && t.Subresource == "", "nodes only read these", nil
	case "events.":
		return t.Verb == verbCreate || t.Verb == verbPatch, "nodes only write notes", nil
	case "nodes.":
		own := t.Name == string(node) || selects(t.FieldSelector, "metadata.name", node)
		return own && t.Verb != verbDelete && t.Verb != verbCreate, "it is another node", nil
	case "leases.coordination.k8s.io":
		return t.Namespace == corev1.NamespaceNodeLease && t.Name == string(node) && t.Verb != verbCreate, "it is not the node's lease", nil
	case "pods.":
		return n.pod(node, t)
	case "configmaps.", "secrets.":
		return n.mounted(node, t)
	}
	return false, "", nil
}

// selects tells whether the selector demands the value in a field.
func selects(selector, field string, node proto.NodeName) bool {
	parsed, err := fields.ParseSelector(selector)
	if err != nil {
		return false
	}
	value, ok := parsed.RequiresExactMatch(field)
	return ok && value == string(node)
}

const notItsPod = "the pod is not bound to this node"

func (n nodeRule) pod(node proto.NodeName, t Target) (bool, string, error) {
	switch t.Verb {
	case verbList, verbWatch:
		return selects(t.FieldSelector, "spec.nodeName", node), "nodes list pods by spec.nodeName=" + string(node), nil
	case verbGet, verbDelete:
	case verbUpdate, verbPatch:
		if t.Subresource != events.SubStatus {
			return false, "nodes only write the status of pods", nil
		}
	default:
		return false, "", nil
	}
	if t.Subresource != "" && t.Subresource != events.SubStatus {
		return false, "", nil
	}
	resource := proto.Resource{Name: "pods"}
	pod, ok, err := events.GetAs[*corev1.Pod](n.store.View(n.table.Of(resource)), resource.Key(t.Namespace, t.Name))
	if err != nil {
		return false, "", fmt.Errorf("read pod %s/%s: %w", t.Namespace, t.Name, err)
	}
	return ok && pod.Spec.NodeName == string(node), notItsPod, nil
}

// mounted allows the reading of what a pod of the node mentions.
func (n nodeRule) mounted(node proto.NodeName, t Target) (bool, string, error) {
	const why = "no pod of this node mentions it"
	if t.Verb != verbGet || t.Name == "" {
		return false, "nodes read these one by one", nil
	}
	resource := proto.Resource{Name: "pods"}
	pods, err := events.ListAs[*corev1.Pod](n.store.View(n.table.Of(resource)), events.Query{Resource: resource, Namespace: t.Namespace, Node: node})
	if err != nil {
		return false, "", fmt.Errorf("list pods of node %s: %w", node, err)
	}
	for _, pod := range pods {
		if slices.ContainsFunc(events.Needs(&pod.Spec), func(n events.Need) bool {
			return n.Resource.Name == t.Resource && n.Resource.Group == t.Group && n.Name == t.Name
		}) {
			return true, "", nil
		}
	}
	return false, why, nil
}
