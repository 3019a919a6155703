//go:build host

package e2e

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// refusal is input that has no effect but an error.
type refusal struct {
	name, yaml string
	says       []string
}

const deploymentYAML = `apiVersion: apps/v1
kind: Deployment
metadata:
  name: %s
  labels: {app: %s}
spec:
  replicas: %s
  selector:
    matchLabels: {app: %s}
  template:
    metadata:
      labels: {app: web}
    spec:
      containers:
      - name: nginx
        image: nginx:1.7.9
        %s
`

var refusals = []refusal{
	{"malformed YAML", "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: x\n\tdata: {a: b}\n", []string{"line 5"}},
	{"unknown field", fmt.Sprintf(deploymentYAML, "web", "web", "1", "web", "imagePullPolice: Always"), []string{"unknown field", "spec.template.spec.containers[0].imagePullPolice"}},
	{"wrong type", fmt.Sprintf(deploymentYAML, "web", "web", "three", "web", ""), []string{"replicas"}},
	{"name", fmt.Sprintf(deploymentYAML, "Web_1", "web", "1", "web", ""), []string{"metadata.name", "Web_1", "RFC 1123"}},
	{"label", fmt.Sprintf(deploymentYAML, "web", "'-no-'", "1", "web", ""), []string{"metadata.labels", "-no-"}},
	{"selector", fmt.Sprintf(deploymentYAML, "web", "web", "1", "other", ""), []string{"spec.template.metadata.labels", "selector", "does not match"}},
	{"unknown kind", "apiVersion: v1\nkind: Pud\nmetadata: {name: x}\n", []string{`no matches for kind "Pud"`}},
	{"no name", "apiVersion: v1\nkind: ConfigMap\ndata: {a: b}\n", []string{"name"}},
	{"too large", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: big}\ndata:\n  a: " + strings.Repeat("x", 2<<20) + "\n", []string{"1048576"}},
}

// refused runs a command that must end with status 1, say why, and leave the
// log as it was.
func (c *cluster) refused(says []string, stdin []byte, args ...string) {
	c.Helper()
	for _, client := range []string{"segno", "kubectl-1.37"} {
		before := c.seq()
		out, status := c.feed(client, stdin, args...)
		if status != 1 {
			c.Errorf("%s %v: status %d, want 1", client, args, status)
		}
		if len(out) > 4000 {
			c.Errorf("%s: the error is %d bytes long", client, len(out))
			out = out[:4000]
		}
		c.says(out, says...)
		if strings.Contains(out, "panic") || strings.Contains(out, "Internal") {
			c.Errorf("%s: that is no answer to a person:\n%s", client, out)
		}
		if after := c.seq(); after != before {
			c.Errorf("%s %v: the log went from %d to %d:\n%s", client, args, before, after, c.segno("events", "--from", fmt.Sprint(before)))
		}
	}
}

func TestE2BadInputIsRefusedAndLeavesNoTrace(t *testing.T) {
	c := up(t, simulated...)
	c.deployed()
	settled(c)
	for _, r := range refusals {
		c.with(r.name, func(c *cluster) {
			file := filepath.Join(c.TempDir(), "input.yaml")
			if err := os.WriteFile(file, []byte(r.yaml), 0o600); err != nil {
				c.Fatal(err)
			}
			verb := "apply"
			if r.name == "too large" {
				verb = "create" // apply's annotation would be too large first
			}
			c.refused(r.says, nil, verb, "-f", file)
			c.refused(r.says, []byte(r.yaml), verb, "-f", "-")
		})
	}
	c.with("immutable field", func(c *cluster) {
		c.refused([]string{"spec.selector", "immutable"}, nil, "patch", course, "-p",
			`{"spec":{"selector":{"matchLabels":{"app":"x"}},"template":{"metadata":{"labels":{"app":"x"}}}}}`)
	})
	c.with("stale resourceVersion", func(c *cluster) {
		stale := c.segno("get", course, "-o", "yaml")
		c.segno("annotate", course, "touched=yes")
		settled(c)
		c.refused([]string{"Conflict", "the object has been modified"}, []byte(stale), "replace", "-f", "-")
	})
	c.with("what is not there", func(c *cluster) {
		c.refused([]string{"NotFound", `deployments.apps "nobody" not found`}, nil, "scale", "deployment/nobody", "--replicas=2")
		c.refused([]string{`namespaces "nowhere" not found`}, nil, "create", "configmap", "x", "-n", "nowhere")
		c.refused([]string{`deployments.apps "nginx-deployment" already exists`}, nil, "create", "deployment", "nginx-deployment", "--image=nginx")
	})
	c.with("100 MB", (*cluster).refusesAHugeBody)
}

// memory is what the process holds now, in megabytes.
func (c *cluster) memory() (megabytes float64) {
	c.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", c.pid()))
	if err != nil {
		c.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		if _, err := fmt.Sscanf(line, "VmRSS: %f kB", &megabytes); err == nil {
			return megabytes / 1024
		}
	}
	c.Fatal("there is no VmRSS")
	return 0
}

// refusesAHugeBody sends a body of 100 MB that is said to be so, and one that
// is not.
func (c *cluster) refusesAHugeBody() {
	config, err := clientcmd.BuildConfigFromFlags("", c.dir+"/kubeconfig")
	if err != nil {
		c.Fatal(err)
	}
	secure, err := rest.TLSConfigFor(config)
	if err != nil {
		c.Fatal(err)
	}
	seq, before := c.seq(), c.memory()
	for _, length := range []int64{100 << 20, -1} {
		for _, protocol := range []string{"h2", "http/1.1"} {
			trust := secure.Clone()
			trust.NextProtos = []string{protocol}
			c.postsHuge(trust, config.Host, protocol, length)
		}
	}
	after := c.memory()
	c.Logf("memory went from %.0f MB to %.0f MB", before, after)
	const flat = 30
	if after > before+flat {
		c.Errorf("memory went from %.0f MB to %.0f MB", before, after)
	}
	if got := c.seq(); got != seq {
		c.Errorf("the log went from %d to %d", seq, got)
	}
}

func (c *cluster) postsHuge(trust *tls.Config, host, protocol string, length int64) {
	c.Helper()
	transport := &http.Transport{TLSClientConfig: trust, ForceAttemptHTTP2: protocol == "h2"}
	defer transport.CloseIdleConnections()
	head := []byte(`{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"huge"},"data":{"a":"`)
	body := io.MultiReader(bytes.NewReader(head), io.LimitReader(letters{}, 100<<20-int64(len(head))))
	request, err := http.NewRequestWithContext(c.Context(), http.MethodPost, host+"/api/v1/namespaces/default/configmaps", io.NopCloser(body))
	if err != nil {
		c.Fatal(err)
	}
	request.ContentLength = length
	request.Header.Set("Content-Type", "application/json")
	answer, err := transport.RoundTrip(request)
	if err != nil {
		c.Errorf("%s, length %d: %v", protocol, length, err)
		return
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusRequestEntityTooLarge {
		c.Errorf("%s, length %d: status %d, want 413: %s %v", protocol, length, answer.StatusCode, text, err)
	}
	c.says(string(text), "too large")
}

// letters never end.
type letters struct{}

func (letters) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'x'
	}
	return len(p), nil
}
