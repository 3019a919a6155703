package api_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"segno/cli/api/apitest"
)

const (
	asNobody = apitest.UserHeader + ": nobody"
	asJane   = apitest.UserHeader + ": jane"
	asNode   = apitest.UserHeader + ": node:n1"
)

// TestN5Access lets in who proved who they are, and refuses in Kubernetes' words.
func TestN5Access(t *testing.T) {
	c := client{t, apitest.New(t, nil)}
	for _, path := range []string{"/healthz", "/livez", "/readyz", "/version"} {
		if got := c.get(path, asNobody); got.code != 200 {
			t.Errorf("%s: %d", path, got.code)
		}
	}
	for _, path := range []string{"/", "/api", "/api/v1/pods", "/openapi/v3", "/nonsense"} {
		c.status(c.get(path, asNobody), 401, metav1.StatusReasonUnauthorized, "Unauthorized")
	}
	c.status(c.get("/api/v1/namespaces/default/pods", asJane), 403, metav1.StatusReasonForbidden,
		`pods is forbidden: User "jane" cannot list resource "pods" in API group "" in the namespace "default"`)
	c.status(c.get("/apis/apps/v1/deployments", asJane), 403, metav1.StatusReasonForbidden,
		`deployments.apps is forbidden: User "jane" cannot list resource "deployments" in API group "apps" at the cluster scope`)
	c.status(c.do("PATCH", "/apis/apps/v1/namespaces/x/deployments/web/scale", "{}", asJane), 403, metav1.StatusReasonForbidden,
		`deployments.apps "web" is forbidden: User "jane" cannot patch resource "deployments/scale" in API group "apps" in the namespace "x"`)
	c.status(c.do("POST", "/nonsense", "{}", asJane), 403, metav1.StatusReasonForbidden, `forbidden: User "jane" cannot post path "/nonsense"`)
	c.status(c.get("/api/v1/pods", "Impersonate-User: jane"), 403, metav1.StatusReasonForbidden, "impersonation is not served")
	if got := c.get("/apis/apps/v1", asJane); got.code != 200 {
		t.Errorf("discovery: %d", got.code)
	}
}

func TestReviews(t *testing.T) {
	c := client{t, apitest.New(t, nil)}
	ask := `{"spec":{"resourceAttributes":{"verb":"create","resource":"pods","namespace":"default"}}}`
	for user, want := range map[string]bool{asJane: false, apitest.UserHeader + ": ": true} {
		var review authorizationv1.SelfSubjectAccessReview
		c.into(c.do("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", ask, user), 201, &review)
		if review.Status.Allowed != want {
			t.Errorf("%s: %+v", user, review.Status)
		}
	}
	var path authorizationv1.SelfSubjectAccessReview
	c.into(c.do("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", `{"spec":{"nonResourceAttributes":{"verb":"get","path":"/api"}}}`, asJane), 201, &path)
	if !path.Status.Allowed {
		t.Errorf("%+v", path)
	}
	var rules authorizationv1.SelfSubjectRulesReview
	c.into(c.do("POST", "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews", `{"spec":{"namespace":"default"}}`, asJane), 201, &rules)
	if len(rules.Status.ResourceRules) != 2 || rules.Status.Incomplete {
		t.Errorf("%+v", rules.Status)
	}
	var who authenticationv1.SelfSubjectReview
	c.into(c.do("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", `{}`, asJane), 201, &who)
	if who.Status.UserInfo.Username != "jane" || fmt.Sprint(who.Status.UserInfo.Groups) != "[system:authenticated]" {
		t.Errorf("%+v", who.Status)
	}
	c.status(c.do("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", `{}`), 400, metav1.StatusReasonBadRequest, "one of resourceAttributes")
	c.status(c.get("/apis/authentication.k8s.io/v1/selfsubjectreviews"), 405, metav1.StatusReasonMethodNotAllowed, "not supported")
}

// TestN5NodesTouchTheirOwn holds a node to its own things.
func TestN5NodesTouchTheirOwn(t *testing.T) {
	c := client{t, apitest.New(t, nil)}
	for _, name := range []string{"n1", "n2"} {
		c.Create(t, &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name}})
		c.Create(t, configMap("of-"+name))
		c.Create(t, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "of-" + name, Namespace: "default"}})
		pod := podNamed("on-"+name, "c")
		pod.Spec.Containers[0].EnvFrom = []corev1.EnvFromSource{{ConfigMapRef: &corev1.ConfigMapEnvSource{LocalObjectReference: corev1.LocalObjectReference{Name: "of-" + name}}}}
		pod.Spec.Volumes = []corev1.Volume{{Name: "v", VolumeSource: corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{SecretName: "of-" + name}}}}
		c.Create(t, pod)
		body := `{"apiVersion":"v1","kind":"Binding","metadata":{"name":"on-` + name + `"},"target":{"kind":"Node","name":"` + name + `"}}`
		if got := c.do("POST", "/api/v1/namespaces/default/pods/on-"+name+"/binding", body); got.code != 201 {
			t.Fatal(got)
		}
	}
	status := `{"status":{"phase":"Running"}}`
	merge := "Content-Type: application/merge-patch+json"
	base := "/api/v1/namespaces/default"
	tests := []struct {
		method, path, body string
		allowed            bool
	}{
		{"GET", "/api/v1/pods?fieldSelector=spec.nodeName%3Dn1", "", true},
		{"GET", "/api/v1/pods?fieldSelector=spec.nodeName%3Dn2", "", false},
		{"GET", "/api/v1/pods", "", false},
		{"GET", base + "/pods/on-n1", "", true},
		{"GET", base + "/pods/on-n2", "", false},
		{"GET", base + "/pods/none", "", false},
		{"GET", base + "/pods/on-n1/log", "", false},
		{"PATCH", base + "/pods/on-n1/status", status, true},
		{"PATCH", base + "/pods/on-n2/status", status, false},
		{"PATCH", base + "/pods/on-n1", `{"metadata":{"labels":{"a":"b"}}}`, false},
		{"POST", base + "/pods", "{}", false},
		{"GET", base + "/configmaps/of-n1", "", true},
		{"GET", base + "/configmaps/of-n2", "", false},
		{"GET", base + "/configmaps", "", false},
		{"GET", base + "/secrets/of-n1", "", true},
		{"GET", base + "/secrets/of-n2", "", false},
		{"GET", base + "/services", "", true},
		{"DELETE", base + "/services/x", "", false},
		{"GET", "/api/v1/nodes/n1", "", true},
		{"GET", "/api/v1/nodes/n2", "", false},
		{"PATCH", "/api/v1/nodes/n1/status", `{"status":{}}`, true},
		{"PATCH", "/api/v1/nodes/n2/status", `{"status":{}}`, false},
		{"DELETE", "/api/v1/nodes/n1", "", false},
		{"GET", "/apis/apps/v1/deployments", "", false},
	}
	for _, test := range tests {
		headers := []string{asNode}
		if test.method == "PATCH" {
			headers = append(headers, merge)
		}
		if got := c.do(test.method, test.path, test.body, headers...); (got.code == http.StatusOK) != test.allowed || (got.code == http.StatusForbidden) == test.allowed {
			t.Errorf("%s %s: %d %s", test.method, test.path, got.code, got.body)
		}
	}
}

// TestS9NodesDoNotChooseThemselves for what people choose nodes for, by labels below
// node-restriction.kubernetes.io.
func TestS9NodesDoNotChooseThemselves(t *testing.T) {
	c := client{t, apitest.New(t, nil)}
	made := c.Create(t, &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "n1", Labels: map[string]string{"node-restriction.kubernetes.io/team": "a"}}}).(*corev1.Node)
	const path = "/api/v1/nodes/n1"
	merge, apply := "Content-Type: application/merge-patch+json", "Content-Type: application/apply-patch+yaml"
	whole := `{"apiVersion":"v1","kind":"Node","metadata":{"name":"n1","labels":{"node-restriction.kubernetes.io/ingress":"true"}}}`
	for _, test := range []struct {
		method, path, body, kind string
		code                     int
	}{
		{"PATCH", path, `{"metadata":{"labels":{"node-restriction.kubernetes.io/ingress":"true"}}}`, merge, 403},
		{"PATCH", path, `{"metadata":{"labels":{"node-restriction.kubernetes.io/team":null}}}`, merge, 403},
		{"PATCH", path + "?fieldManager=x&force=true", whole, apply, 403},
		{"PUT", path, strings.TrimSuffix(whole, "}") + `,"spec":{"podCIDR":"` + made.Spec.PodCIDR + `"}}`, "Content-Type: application/json", 403},
		{"PATCH", path + "/status", `{"metadata":{"labels":{"node-restriction.kubernetes.io/ingress":"true"}},"status":{"phase":"Running"}}`, merge, 200},
		{"PATCH", path + "/status?fieldManager=x&force=true", whole, apply, 200},
		{"PATCH", path, `{"metadata":{"labels":{"disk":"ssd"}}}`, merge, 200},
	} {
		if got := c.do(test.method, test.path, test.body, asNode, test.kind); got.code != test.code {
			t.Errorf("%s %s %s: %d %s", test.method, test.path, test.body, got.code, got.body)
		}
	}
	var node corev1.Node
	c.into(c.get(path), 200, &node)
	if len(node.Labels) != 2 || node.Labels["node-restriction.kubernetes.io/team"] != "a" || node.Labels["disk"] != "ssd" {
		t.Errorf("labels are %v", node.Labels)
	}
}
