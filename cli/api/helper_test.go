package api_test

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"segno/cli/api/apitest"
	"segno/events"
	"segno/proto"
)

// client is a raw HTTP client of a cluster.
type client struct {
	testing.TB
	*apitest.Cluster
}

// reply is an HTTP answer, read.
type reply struct {
	code   int
	header http.Header
	body   string
}

// do sends a request. Headers are given as "Name: value"; a body without a
// content type is JSON.
func (c client) do(method, path, body string, headers ...string) reply {
	c.Helper()
	r, err := http.NewRequestWithContext(c.Context(), method, c.URL+path, strings.NewReader(body))
	if err != nil {
		c.Fatal(err)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for _, header := range headers {
		name, value, _ := strings.Cut(header, ": ")
		r.Header.Set(name, value)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		c.Fatal(err)
	}
	defer answer.Body.Close()
	data, err := io.ReadAll(answer.Body)
	if err != nil {
		c.Fatal(err)
	}
	return reply{answer.StatusCode, answer.Header, string(data)}
}

func (c client) get(path string, headers ...string) reply {
	c.Helper()
	return c.do(http.MethodGet, path, "", headers...)
}

// into decodes the answer, which must have the code.
func (c client) into(r reply, code int, value any) {
	c.Helper()
	if r.code != code {
		c.Fatalf("code %d, want %d: %s", r.code, code, r.body)
	}
	if err := json.Unmarshal([]byte(r.body), value); err != nil {
		c.Fatalf("%v in %s", err, r.body)
	}
}

// status checks that the answer is a Status of the code and reason that says
// the text.
func (c client) status(r reply, code int, reason metav1.StatusReason, text string) {
	c.Helper()
	var status metav1.Status
	c.into(r, code, &status)
	if status.Kind != "Status" || int(status.Code) != code || status.Reason != reason || status.Status != metav1.StatusFailure {
		c.Errorf("got %+v, want code %d, reason %q", status, code, reason)
	}
	if !strings.Contains(status.Message, text) {
		c.Errorf("got %q, want it to say %q", status.Message, text)
	}
}

func typed(t testing.TB, config *rest.Config) kubernetes.Interface {
	t.Helper()
	out, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func configMap(name string, labels ...string) *corev1.ConfigMap {
	out := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "default"}, Data: map[string]string{"k": "v"}}
	for i := 0; i+1 < len(labels); i += 2 {
		if out.Labels == nil {
			out.Labels = map[string]string{}
		}
		out.Labels[labels[i]] = labels[i+1]
	}
	return out
}

func podNamed(name string, containers ...string) *corev1.Pod {
	out := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "default"}}
	for _, c := range containers {
		out.Spec.Containers = append(out.Spec.Containers, corev1.Container{Name: c, Image: "app:1"})
	}
	return out
}

func deleteOf(c *apitest.Cluster, name string) events.Command {
	kind := c.Table.Of(proto.Resource{Name: "configmaps"})
	return events.Command{Actor: "system:test", Action: events.Delete{Key: kind.Resource.Key("default", name)}}
}
