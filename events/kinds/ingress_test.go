package kinds_test

import (
	"testing"

	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/utils/ptr"

	"segno/events"
)

// TestS9TheDefaultClassIsFilledIn: an Ingress that names no class gets the
// default one when it is made, and only then.
func TestS9TheDefaultClassIsFilledIn(t *testing.T) {
	const plain = "spec: {defaultBackend: {service: {name: web, port: {number: 80}}}}}"
	class := func(name, isDefault string) string {
		return "{apiVersion: networking.k8s.io/v1, kind: IngressClass, metadata: {name: " + name +
			", annotations: {ingressclass.kubernetes.io/is-default-class: '" + isDefault + "'}}, spec: {controller: a.b/c}}"
	}
	c := newCluster(t)
	made := func(name, annotations string) string {
		t.Helper()
		object := c.create("{apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {name: " + name + ", annotations: {" + annotations + "}}, " + plain)
		return ptr.Deref(object.(*networkingv1.Ingress).Spec.IngressClassName, "")
	}
	if got := made("early", ""); got != "" {
		t.Errorf("without any class: %q", got)
	}
	c.create(class("other", "false"))
	c.create(class("segno", "true"))
	if got := made("web", ""); got != "segno" {
		t.Errorf("with a default class: %q", got)
	}
	if got := made("old", "kubernetes.io/ingress.class: nginx"); got != "" {
		t.Errorf("with the annotation of before: %q", got)
	}
	c.create(class("a", "true"))
	if got := made("two", ""); got != "a" {
		t.Errorf("with two of one age: %q", got)
	}
	kind, object := load(t, []byte("{apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {name: early}, "+plain))
	changed, err := c.do(events.Update{Key: kind.Resource.Key("default", "early"), Object: object})
	if err != nil || len(changed.Events) != 0 {
		t.Errorf("an Ingress of before is changed: %v, %v", changed.Events, err)
	}
}
