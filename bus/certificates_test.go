package bus

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"

	"segno/events"
	"segno/events/ingressrule"
	"segno/events/kinds"
	"segno/proto"
)

func (w *world) secret(name string, kind corev1.SecretType) proto.ObjectKey {
	w.t.Helper()
	key := secretResource.Key("default", name)
	data := map[string][]byte{corev1.TLSCertKey: []byte("c"), corev1.TLSPrivateKeyKey: []byte("k"), "more": []byte("m")}
	w.must(events.Create{Key: key, UID: types.UID("uid-" + name), Object: &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "default", Annotations: map[string]string{"copy": "k"}}, Type: kind, Data: data,
	}})
	return key
}

func (w *world) ingress(name, class string, secrets ...string) proto.ObjectKey {
	w.t.Helper()
	key := ingressResource.Key("default", name)
	spec := networkingv1.IngressSpec{
		IngressClassName: &class, Rules: []networkingv1.IngressRule{{Host: "a.example.com"}},
	}
	for _, secret := range secrets {
		spec.TLS = append(spec.TLS, networkingv1.IngressTLS{SecretName: secret})
	}
	w.must(events.Create{Key: key, UID: types.UID("uid-" + name), Object: &networkingv1.Ingress{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "default"}, Spec: spec,
	}})
	return key
}

func (w *world) class(name, controller string) proto.ObjectKey {
	w.t.Helper()
	key := ingressClassResource.Key("", name)
	w.must(events.Create{Key: key, UID: types.UID("uid-" + name), Object: &networkingv1.IngressClass{
		ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: networkingv1.IngressClassSpec{Controller: controller},
	}})
	return key
}

// entryNode is a node that says that it runs ingress, and that it was chosen to.
func entryNode(name string) *corev1.Node {
	node := newNode(name)
	node.Labels[ingressrule.Label] = "true"
	node.Status.Conditions = append(node.Status.Conditions, corev1.NodeCondition{Type: ingressrule.Condition, Status: corev1.ConditionTrue, Reason: "Serving"})
	return node
}

// choose gives a node the label with which it runs ingress; "" takes it.
func (w *world) choose(name, value string) {
	w.t.Helper()
	node := events.Copy(w.nodeObject(name))
	node.ResourceVersion = ""
	delete(node.Labels, ingressrule.Label)
	if value != "" {
		node.Labels[ingressrule.Label] = value
	}
	w.must(events.Update{Key: nodeResource.Key("", name), Object: node})
}

// secretsIn are the Secrets that a node was told of.
func secretsIn(t *testing.T, told ...proto.Want) string {
	t.Helper()
	var out []string
	for _, want := range told {
		for _, object := range want.Pods {
			if object.Key.Resource != secretResource {
				continue
			}
			if object.Gone {
				out = append(out, "-"+object.Key.Name)
				continue
			}
			secret := &corev1.Secret{}
			if err := secret.Unmarshal(object.Body); err != nil {
				t.Fatal(err)
			}
			if len(secret.Data) != 2 || len(secret.Annotations) > 0 {
				t.Errorf("%s was told with %v, %v", object.Key, secret.Data, secret.Annotations)
			}
			out = append(out, fmt.Sprintf("%s=%s", secret.Name, secret.Data[corev1.TLSCertKey]))
		}
	}
	return strings.Join(out, " ")
}

// TestS9CertificatesGoToNodesThatWereChosen to run ingress, whatever nodes say of
// themselves; and only those that an Ingress names which they serve.
func TestS9CertificatesGoToNodesThatWereChosen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, startServer(t, ServerConfig{}))
		entry, plain := w.joinedNode("n1"), w.joinedNode("n2")
		w.class("segno", kinds.IngressController)
		w.class("nginx", "k8s.io/ingress-nginx")
		shop := w.secret("shop-tls", corev1.SecretTypeTLS)
		w.secret("unused", corev1.SecretTypeTLS)
		w.secret("opaque", corev1.SecretTypeOpaque)
		w.ingress("early", "segno", "shop-tls", "opaque", "missing", "shop-tls")
		w.ingress("theirs", "nginx", "unused")
		synctest.Wait()
		heard, others := hear(t, entry), hear(t, plain)
		synctest.Wait()
		drained(heard)
		drained(others)
		step := func(what, want string, change func()) {
			t.Helper()
			change()
			synctest.Wait()
			if got := secretsIn(t, drained(heard)...); got != want {
				t.Errorf("%s: told %q, want %q", what, got, want)
			}
		}
		for name, link := range map[string]*Link{"n1": entry, "n2": plain} {
			step(name+" says that it runs ingress", "", func() {
				have, err := link.Register(t.Context(), entryNode(name))
				if err != nil || ingressrule.Chosen(have) {
					t.Fatalf("chose itself: %v, %v", have, err)
				}
				status, err := (&corev1.Node{ObjectMeta: entryNode(name).ObjectMeta, Status: entryNode(name).Status}).Marshal()
				if err != nil {
					t.Fatal(err)
				}
				report := proto.Report{Items: []proto.ReportItem{{Key: nodeResource.Key("", name), UID: string(have.UID), Status: status}}}
				if reply, err := link.Report(t.Context(), report); err != nil || reply.Errors[0] != "" {
					t.Fatal(reply, err)
				}
			})
		}
		if all, err := plain.Sync(t.Context()); err != nil || secretsIn(t, all) != "" {
			t.Errorf("a node that was not chosen is told of %q, %v", secretsIn(t, all), err)
		}
		step("it is not to run ingress", "", func() { w.choose("n1", "false") })
		step("it is chosen", "-missing -opaque shop-tls=c", func() { w.choose("n1", "true") })
		step("another certificate", "shop-tls=new", func() {
			w.must(events.Update{Key: shop, Object: &corev1.Secret{
				ObjectMeta: metav1.ObjectMeta{Name: "shop-tls", Namespace: "default"}, Type: corev1.SecretTypeTLS,
				Data: map[string][]byte{corev1.TLSCertKey: []byte("new"), corev1.TLSPrivateKeyKey: []byte("k")},
			}})
		})
		step("one of no Ingress", "", func() { w.secret("other", corev1.SecretTypeTLS) })
		step("a second Ingress of the same", "", func() { w.ingress("second", "segno", "shop-tls") })
		step("one that names another", "other=c", func() { w.ingress("third", "segno", "other") })
		step("a Secret that comes later", "missing=c", func() { w.secret("missing", corev1.SecretTypeTLS) })
		step("the first Ingress goes", "-missing -opaque", func() { w.must(events.Delete{Key: ingressResource.Key("default", "early")}) })
		step("one becomes another controller's", "-other", func() {
			w.must(events.Update{Key: ingressResource.Key("default", "third"), Object: &networkingv1.Ingress{
				ObjectMeta: metav1.ObjectMeta{Name: "third", Namespace: "default"},
				Spec: networkingv1.IngressSpec{IngressClassName: ptr.To("nginx"), Rules: []networkingv1.IngressRule{{Host: "a.example.com"}},
					TLS: []networkingv1.IngressTLS{{SecretName: "other"}}},
			}})
		})
		step("its certificate ends", "-shop-tls", func() { w.must(events.Delete{Key: shop}) })
		step("it is there again", "shop-tls=c", func() { w.secret("shop-tls", corev1.SecretTypeTLS) })
		for link, want := range map[*Link]string{entry: "shop-tls=c", plain: ""} {
			all, err := link.Sync(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if got := secretsIn(t, all); got != want {
				t.Errorf("a sync tells %s of %q, want %q", link.node, got, want)
			}
		}
		step("it is chosen no more", "", func() { w.choose("n1", "") })
		step("another certificate while it is not", "", func() { w.secret("missing2", corev1.SecretTypeTLS); w.ingress("fourth", "segno", "missing2") })
		if all, err := entry.Sync(t.Context()); err != nil || secretsIn(t, all) != "" {
			t.Errorf("a node that is chosen no more is told of %q, %v", secretsIn(t, all), err)
		}
		w.must(events.Delete{Key: ingressResource.Key("default", "fourth")})
		step("it is chosen again", "shop-tls=c", func() { w.choose("n1", "true") })
		step("the class goes", "-shop-tls", func() { w.must(events.Delete{Key: ingressClassResource.Key("", "segno")}) })
		if got := secretsIn(t, drained(others)...); got != "" {
			t.Errorf("a node that was not chosen was told of %s", got)
		}
	})
}

func TestS9AllNodesKnowTheIngresses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, startServer(t, ServerConfig{}))
		synctest.Wait()
		_, shared, heard := w.listener("n1")
		synctest.Wait()
		drained(heard)
		w.class("segno", kinds.IngressController)
		key := w.ingress("web", "segno")
		w.must(events.Update{Key: key, Subresource: events.SubStatus, Object: &networkingv1.Ingress{
			ObjectMeta: metav1.ObjectMeta{Name: "web", Namespace: "default"},
			Status: networkingv1.IngressStatus{LoadBalancer: networkingv1.IngressLoadBalancerStatus{
				Ingress: []networkingv1.IngressLoadBalancerIngress{{IP: "192.0.2.7"}},
			}},
		}})
		w.secret("shop-tls", corev1.SecretTypeTLS)
		synctest.Wait()
		if told := drained(heard); len(told) != 2 || told[0].Pods[0].Key.Resource != ingressClassResource || told[1].Pods[0].Key != key {
			t.Errorf("heard %+v", told)
		}
		all, err := shared.Sync(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		found := 0
		for _, object := range all.Pods {
			if object.Key.Group == networkingv1.GroupName {
				found++
			}
			if object.Key.Resource == secretResource {
				t.Error("all nodes are told of a Secret")
			}
		}
		if found != 2 {
			t.Errorf("a sync has %d of 2", found)
		}
	})
}
