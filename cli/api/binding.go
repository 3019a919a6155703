package api

import (
	"net/http"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"segno/events"
	"segno/proto"
)

// bind puts a pod on the node that the Binding in the body names.
func (c *call) bind() error {
	opts, err := c.writeOptions("CreateOptions")
	if err != nil {
		return err
	}
	binding := &corev1.Binding{}
	if err := c.decodeBody(binding, corev1.SchemeGroupVersion.WithKind("Binding")); err != nil {
		return err
	}
	if err := c.sameName(binding); err != nil {
		return err
	}
	if kind := binding.Target.Kind; kind != "" && kind != "Node" {
		return badRequest("a pod can only be bound to a Node, not to a %s", kind)
	}
	if binding.Target.Name == "" {
		return badRequest("target.name: the node to bind to is required")
	}
	version, err := proto.ParseSeq(binding.ResourceVersion)
	if err != nil {
		return badRequest("resourceVersion: %s", err)
	}
	_, err = c.submit(c.r.Context(), events.Bind{
		Key: c.key(), UID: binding.UID, Node: proto.NodeName(binding.Target.Name), Version: version,
	}, opts.dryRun)
	if err != nil {
		return err
	}
	return c.success(http.StatusCreated, nil)
}

// evict deletes a pod on behalf of someone who empties a node.
func (c *call) evict() error {
	opts, err := c.writeOptions("CreateOptions")
	if err != nil {
		return err
	}
	eviction := &policyv1.Eviction{}
	if err := c.decodeBody(eviction, policyv1.SchemeGroupVersion.WithKind("Eviction")); err != nil {
		return err
	}
	if err := c.sameName(eviction); err != nil {
		return err
	}
	options := metav1.DeleteOptions{}
	if eviction.DeleteOptions != nil {
		options = *eviction.DeleteOptions
	}
	if err := deleteProblems(&options); err != nil {
		return err
	}
	cmd := c.command(events.Delete{Key: c.key(), Options: options}, opts.dryRun || len(options.DryRun) > 0)
	cmd.Reason = "Evicted"
	if _, err := c.do(c.r.Context(), cmd); err != nil {
		return err
	}
	return c.success(http.StatusCreated, nil)
}

// sameName checks the body's name against the path's; POST to bindings has
// the name in the body only.
func (c *call) sameName(obj metav1.Object) error {
	if c.target.Name == "" {
		c.target.Name = obj.GetName()
	}
	if name := obj.GetName(); name != "" && name != c.target.Name {
		return badRequest("name in URL does not match name in %T object: %s, %s", obj, c.target.Name, name)
	}
	if ns := obj.GetNamespace(); ns != "" && ns != c.target.Namespace {
		return badRequest("the namespace of the provided object does not match the namespace sent on the request")
	}
	return nil
}
