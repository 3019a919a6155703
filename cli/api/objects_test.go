package api_test

import (
	"net/http"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/metadata"

	"segno/cli/api/apitest"
	"segno/proto"
)

// TestO10TypedClient runs client-go's typed client through every verb, in JSON
// and in protobuf.
func TestO10TypedClient(t *testing.T) {
	for _, media := range []string{"application/json", "application/vnd.kubernetes.protobuf"} {
		t.Run(media, func(t *testing.T) {
			c := apitest.New(t, nil)
			config := c.Config()
			config.ContentType, config.AcceptContentTypes = media, media
			maps := typed(t, config).CoreV1().ConfigMaps("default")
			ctx := t.Context()
			made, err := maps.Create(ctx, configMap("a", "app", "x"), metav1.CreateOptions{FieldManager: "me"})
			if err != nil || made.UID == "" || made.ResourceVersion == "" || made.Namespace != "default" {
				t.Fatalf("create: %v %+v", err, made)
			}
			if _, err := maps.Create(ctx, configMap("a"), metav1.CreateOptions{}); !apierrors.IsAlreadyExists(err) {
				t.Errorf("create again: %v", err)
			}
			made.Data["k"] = "w"
			changed, err := maps.Update(ctx, made, metav1.UpdateOptions{})
			if err != nil || changed.Data["k"] != "w" {
				t.Fatalf("update: %v", err)
			}
			if _, err := maps.Update(ctx, made, metav1.UpdateOptions{}); !apierrors.IsConflict(err) {
				t.Errorf("stale update: %v", err)
			}
			for kind, data := range map[types.PatchType]string{
				types.MergePatchType:          `{"data":{"m":"1"}}`,
				types.StrategicMergePatchType: `{"data":{"s":"1"}}`,
				types.JSONPatchType:           `[{"op":"add","path":"/data/j","value":"1"}]`,
			} {
				if _, err := maps.Patch(ctx, "a", kind, []byte(data), metav1.PatchOptions{}); err != nil {
					t.Errorf("%s: %v", kind, err)
				}
			}
			got, err := maps.Get(ctx, "a", metav1.GetOptions{})
			if err != nil || len(got.Data) != 4 {
				t.Errorf("get: %v %v", err, got.Data)
			}
			list, err := maps.List(ctx, metav1.ListOptions{LabelSelector: "app=x"})
			if err != nil || len(list.Items) != 1 || list.Items[0].Name != "a" {
				t.Errorf("list: %v %v", err, list)
			}
			uid := types.UID("other")
			if err := maps.Delete(ctx, "a", metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &uid}}); !apierrors.IsConflict(err) {
				t.Errorf("delete with another UID: %v", err)
			}
			if err := maps.Delete(ctx, "a", metav1.DeleteOptions{}); err != nil {
				t.Errorf("delete: %v", err)
			}
			if _, err := maps.Get(ctx, "a", metav1.GetOptions{}); !apierrors.IsNotFound(err) || !strings.Contains(err.Error(), `configmaps "a" not found`) {
				t.Errorf("get: %v", err)
			}
		})
	}
}

// TestO10DynamicClients runs the clients that know no types.
func TestO10DynamicClients(t *testing.T) {
	c := apitest.New(t, nil)
	ctx := t.Context()
	client, err := dynamic.NewForConfig(c.Config())
	if err != nil {
		t.Fatal(err)
	}
	resource := schema.GroupVersionResource{Version: "v1", Resource: "configmaps"}
	obj := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{"generateName": "gen-"}, "data": map[string]any{"k": "v"},
	}}
	made, err := client.Resource(resource).Namespace("default").Create(ctx, obj, metav1.CreateOptions{})
	if err != nil || !strings.HasPrefix(made.GetName(), "gen-") || len(made.GetName()) != 9 || made.GetKind() != "ConfigMap" {
		t.Fatalf("create: %v %v", err, made)
	}
	list, err := client.Resource(resource).List(ctx, metav1.ListOptions{})
	if err != nil || len(list.Items) != 1 || list.Items[0].GetKind() != "ConfigMap" || list.GetKind() != "ConfigMapList" {
		t.Fatalf("list: %v %v", err, list)
	}
	metas, err := metadata.NewForConfig(c.Config())
	if err != nil {
		t.Fatal(err)
	}
	only, err := metas.Resource(resource).Namespace("default").Get(ctx, made.GetName(), metav1.GetOptions{})
	if err != nil || only.UID != made.GetUID() {
		t.Errorf("metadata: %v %+v", err, only)
	}
	all, err := metas.Resource(resource).List(ctx, metav1.ListOptions{})
	if err != nil || len(all.Items) != 1 || all.Items[0].Name != made.GetName() {
		t.Errorf("metadata list: %v %+v", err, all)
	}
}

func deployment(name string, replicas int32) *appsv1.Deployment {
	labels := map[string]string{"app": name}
	return &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "default", Labels: labels},
		Spec: appsv1.DeploymentSpec{
			Replicas: &replicas, Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: podNamed("x", "c").Spec},
		},
	}
}

func TestW4Scale(t *testing.T) {
	c := apitest.New(t, nil)
	c.Create(t, deployment("web", 2))
	deployments := typed(t, c.Config()).AppsV1().Deployments("default")
	scale, err := deployments.GetScale(t.Context(), "web", metav1.GetOptions{})
	if err != nil || scale.Spec.Replicas != 2 || scale.Status.Selector != "app=web" {
		t.Fatalf("%v %+v", err, scale)
	}
	scale.Spec.Replicas = 5
	if scale, err = deployments.UpdateScale(t.Context(), "web", scale, metav1.UpdateOptions{}); err != nil || scale.Spec.Replicas != 5 {
		t.Fatalf("%v %+v", err, scale)
	}
	scale = &autoscalingv1.Scale{}
	client{t, c}.into(client{t, c}.do(http.MethodPatch, "/apis/apps/v1/namespaces/default/deployments/web/scale",
		`{"spec":{"replicas":7}}`, "Content-Type: application/merge-patch+json"), 200, scale)
	got, err := deployments.Get(t.Context(), "web", metav1.GetOptions{})
	if err != nil || *got.Spec.Replicas != 7 || scale.Spec.Replicas != 7 || scale.Kind != "Scale" {
		t.Errorf("%v %+v %+v", err, got.Spec.Replicas, scale)
	}
}

// TestBindEvictStatus walks a pod through the subresources that schedulers,
// nodes and drains use.
func TestBindEvictStatus(t *testing.T) {
	c := apitest.New(t, nil)
	c.Create(t, &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "n1"}})
	c.Create(t, podNamed("p", "c"))
	pods := typed(t, c.Config()).CoreV1().Pods("default")
	ctx := t.Context()
	binding := &corev1.Binding{ObjectMeta: metav1.ObjectMeta{Name: "p"}, Target: corev1.ObjectReference{Kind: "Node", Name: "n1"}}
	if err := pods.Bind(ctx, binding, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	pod, err := pods.Get(ctx, "p", metav1.GetOptions{})
	if err != nil || pod.Spec.NodeName != "n1" {
		t.Fatalf("%v %q", err, pod.Spec.NodeName)
	}
	pod.Status.Phase = corev1.PodRunning
	pod.Labels = map[string]string{"ignored": "by-status"}
	if pod, err = pods.UpdateStatus(ctx, pod, metav1.UpdateOptions{}); err != nil || pod.Status.Phase != corev1.PodRunning || pod.Labels != nil {
		t.Fatalf("%v %+v", err, pod)
	}
	list, err := pods.List(ctx, metav1.ListOptions{FieldSelector: "spec.nodeName=n1,status.phase!=Failed"})
	if err != nil || len(list.Items) != 1 {
		t.Errorf("%v %d", err, len(list.Items))
	}
	if err := pods.EvictV1(ctx, &policyv1.Eviction{ObjectMeta: metav1.ObjectMeta{Name: "p"}}); err != nil {
		t.Fatal(err)
	}
	if pod, err = pods.Get(ctx, "p", metav1.GetOptions{}); err != nil || pod.DeletionTimestamp == nil || *pod.DeletionGracePeriodSeconds != 30 {
		t.Errorf("after the eviction: %v %+v", err, pod)
	}
	now := int64(0)
	if err := pods.Delete(ctx, "p", metav1.DeleteOptions{GracePeriodSeconds: &now}); err != nil {
		t.Fatal(err)
	}
	if _, err = pods.Get(ctx, "p", metav1.GetOptions{}); !apierrors.IsNotFound(err) {
		t.Errorf("after the end: %v", err)
	}
}

func TestDeleteCollection(t *testing.T) {
	c := apitest.New(t, nil)
	for _, name := range []string{"a", "b", "c"} {
		c.Create(t, configMap(name, "app", "x"))
	}
	c.Create(t, configMap("keep"))
	maps := typed(t, c.Config()).CoreV1().ConfigMaps("default")
	all := []string{metav1.DryRunAll}
	for _, options := range []metav1.DeleteOptions{{DryRun: all}, {}} {
		if err := maps.DeleteCollection(t.Context(), options, metav1.ListOptions{LabelSelector: "app=x"}); err != nil {
			t.Fatal(err)
		}
		left, err := maps.List(t.Context(), metav1.ListOptions{})
		if want := map[bool]int{true: 4, false: 1}[options.DryRun != nil]; err != nil || len(left.Items) != want {
			t.Errorf("%v, %d are left, want %d", err, len(left.Items), want)
		}
	}
}

// TestDryRun changes nothing and answers what would be.
func TestDryRun(t *testing.T) {
	c := apitest.New(t, nil)
	fold := c.Folds[proto.StreamEvents]
	before := fold.Position()
	maps := typed(t, c.Config()).CoreV1().ConfigMaps("default")
	made, err := maps.Create(t.Context(), configMap("a"), metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
	if err != nil || made.UID == "" {
		t.Errorf("%v %+v", err, made)
	}
	if fold.Position() != before {
		t.Error("the log grew")
	}
	raw := client{t, c}
	raw.status(raw.do("POST", "/api/v1/namespaces/default/configmaps?dryRun=Some", `{"metadata":{"name":"a"}}`), 422, metav1.StatusReasonInvalid, `dryRun: Unsupported value: "Some"`)
}

// TestE1CommandsSayWhoAndHow looks at what reaches the log of each request.
func TestE1CommandsSayWhoAndHow(t *testing.T) {
	c := apitest.New(t, nil)
	raw := client{t, c}
	tests := []struct{ headers, via, manager string }{
		{"User-Agent: kubectl1.20/v1.20.2 (linux/amd64) kubernetes/faecb19", "kubectl1.20/v1.20.2", "kubectl1.20"},
		{"Kubectl-Command: kubectl create configmap", "kubectl create configmap", "Go-http-client"},
		{"Segno-Command: segno apply -f x.yaml\t--at", "segno apply -f x.yaml--at", "Go-http-client"},
		{"Segno-Command: " + strings.Repeat("ä", 2000), strings.Repeat("ä", 512), "Go-http-client"},
		{"Segno-Command: x" + strings.Repeat("ä", 2000), "x" + strings.Repeat("ä", 511), "Go-http-client"},
	}
	for i, test := range tests {
		name := string(rune('a' + i))
		answer := raw.do("POST", "/api/v1/namespaces/default/configmaps", `{"metadata":{"name":"`+name+`"}}`, test.headers)
		if answer.code != 201 {
			t.Fatal(answer)
		}
		commands := c.Doors[proto.StreamEvents].Commands()
		cmd := commands[len(commands)-1]
		id := answer.header.Get("Audit-Id")
		if cmd.Via != test.via {
			t.Errorf("via %q, want %q", cmd.Via, test.via)
		}
		if cmd.Actor != "user:admin" || cmd.Manager != test.manager || id == "" || cmd.Correlation != id || cmd.Cause != (proto.Cause{Request: id}) {
			t.Errorf("got %+v, id %s", cmd, id)
		}
	}
}

// TestYAMLAndProtobufAnswers asks for the other forms.
func TestYAMLAndProtobufAnswers(t *testing.T) {
	c := apitest.New(t, nil)
	raw := client{t, c}
	got := raw.get("/api/v1/namespaces/default", "Accept: application/yaml")
	if got.header.Get("Content-Type") != "application/yaml" || !strings.HasPrefix(got.body, "apiVersion: v1\nkind: Namespace\n") {
		t.Errorf("%v\n%s", got.header, got.body)
	}
	got = raw.get("/api/v1/namespaces", "Accept: application/yaml")
	if !strings.Contains(got.body, "kind: NamespaceList") {
		t.Errorf("%s", got.body)
	}
	got = raw.get("/api/v1/namespaces", "Accept: application/vnd.kubernetes.protobuf")
	if !strings.HasPrefix(got.body, "k8s\x00") {
		t.Errorf("%q", got.body)
	}
	raw.status(raw.get("/api/v1/namespaces", "Accept: image/png"), 406, metav1.StatusReasonNotAcceptable, "application/json, application/yaml")
	got = raw.get("/api/v1/namespaces/default", "User-Agent: curl/8")
	if !strings.Contains(got.body, "\n  \"kind\"") {
		t.Errorf("curl reads compact JSON: %s", got.body)
	}
	body := "metadata:\n  name: yy\ndata:\n  a: b\n"
	if got = raw.do("POST", "/api/v1/namespaces/default/configmaps", body, "Content-Type: application/yaml"); got.code != 201 {
		t.Errorf("%+v", got)
	}
}
