package catalog

import (
	"fmt"
	"testing"
	"time"

	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"segno/proto"
)

func ingress(t *testing.T, class string) proto.WantPod {
	t.Helper()
	i := &networkingv1.Ingress{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web"}, Spec: networkingv1.IngressSpec{IngressClassName: ptr.To(class)}}
	body, err := i.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return proto.WantPod{Key: Ingresses.Key("shop", "web"), Body: body}
}

// ending is an Ingress that somebody has deleted, and something holds.
func ending(t *testing.T, is proto.WantPod) proto.WantPod {
	t.Helper()
	i := &networkingv1.Ingress{}
	if err := i.Unmarshal(is.Body); err != nil {
		t.Fatal(err)
	}
	i.DeletionTimestamp = &metav1.Time{Time: time.Unix(1, 0)}
	body, err := i.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	is.Body = body
	return is
}

func class(t *testing.T, controller string) proto.WantPod {
	t.Helper()
	body, err := (&networkingv1.IngressClass{ObjectMeta: metav1.ObjectMeta{Name: "segno"}, Spec: networkingv1.IngressClassSpec{Controller: controller}}).Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return proto.WantPod{Key: IngressClasses.Key("", "segno"), Body: body}
}

func TestS9ACatalogHasTheIngresses(t *testing.T) {
	c := &Catalog{}
	told := func(what, want string, changes bool, apply func() error) {
		t.Helper()
		_, _, moved := c.Ingresses()
		if err := apply(); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		changed := false
		select {
		case <-moved:
			changed = true
		default:
		}
		ingresses, classes, _ := c.Ingresses()
		got := ""
		for _, i := range ingresses {
			got += fmt.Sprintf("%s/%s of %s; ", i.Namespace, i.Name, *i.Spec.IngressClassName)
		}
		for _, class := range classes {
			got += fmt.Sprintf("%s by %s; ", class.Name, class.Spec.Controller)
		}
		if got != want || changed != changes {
			t.Errorf("%s: %q, changed %t, want %q, %t", what, got, changed, want, changes)
		}
	}
	one := func(p proto.WantPod) func() error { return func() error { return c.Apply(&p) } }
	all := func(p ...proto.WantPod) func() error { return func() error { return c.Replace(p) } }
	told("an Ingress", "shop/web of segno; ", true, one(ingress(t, "segno")))
	told("its class", "shop/web of segno; segno by a.b/c; ", true, one(class(t, "a.b/c")))
	told("the same, and a Service", "shop/web of segno; segno by a.b/c; ", false, all(ingress(t, "segno"), class(t, "a.b/c"), service(t, web, "10.96.0.7")))
	told("another class of it", "shop/web of nginx; segno by a.b/c; ", true, all(ingress(t, "nginx"), class(t, "a.b/c")))
	told("another controller", "shop/web of nginx; segno by a.b/d; ", true, all(ingress(t, "nginx"), class(t, "a.b/d")))
	told("it is to go", "shop/web of nginx; segno by a.b/d; ", true, all(ending(t, ingress(t, "nginx")), class(t, "a.b/d")))
	told("the class goes", "shop/web of nginx; ", true, one(gone(class(t, ""))))
	told("the Ingress goes", "", true, one(gone(ingress(t, ""))))
	broken := ingress(t, "segno")
	broken.Body = []byte{0xff}
	if err := c.Apply(&broken); err == nil {
		t.Error("an unreadable Ingress was taken")
	}
}
