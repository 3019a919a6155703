//go:build host

package api_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"segno/cli/api/apitest"
)

// clients are the stock kubectls that setup/clients.sh makes.
var clients = []string{"kubectl-1.20", "kubectl-1.37"}

// kubectl runs a stock kubectl against the cluster.
type kubectl struct {
	t       *testing.T
	program string
	home    string
	config  string
}

func newKubectl(t *testing.T, c *apitest.Cluster, program string) *kubectl {
	t.Helper()
	dir := os.Getenv("SEGNO_CLIENTS")
	if dir == "" {
		dir = filepath.Join("..", "..", ".cache", "clients")
	}
	path, err := filepath.Abs(filepath.Join(dir, program))
	if err == nil {
		_, err = os.Stat(path)
	}
	if err != nil {
		t.Fatalf("%s is not there; run setup/clients.sh .cache/clients, or set SEGNO_CLIENTS: %v", program, err)
	}
	k := &kubectl{t: t, program: path, home: t.TempDir()}
	k.config = filepath.Join(k.home, "config")
	k.write("config", fmt.Sprintf(`apiVersion: v1
kind: Config
clusters: [{name: c, cluster: {server: %s}}]
users: [{name: u, user: {token: unused}}]
contexts: [{name: x, context: {cluster: c, user: u}}]
current-context: x
`, c.URL))
	return k
}

func (k *kubectl) write(name, text string) string {
	k.t.Helper()
	path := filepath.Join(k.home, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		k.t.Fatal(err)
	}
	return path
}

// try runs a command line and answers its output, both streams, and whether it
// succeeded. Words may be joined by a NUL to contain blanks.
func (k *kubectl) try(stdin, line string) (string, bool) {
	k.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	var args []string
	for _, word := range strings.Fields(line) {
		args = append(args, strings.ReplaceAll(word, "\x00", " "))
	}
	cmd := exec.CommandContext(ctx, k.program, args...)
	cmd.Dir = k.home
	cmd.Env = []string{"HOME=" + k.home, "KUBECONFIG=" + k.config, "PATH=" + os.Getenv("PATH")}
	cmd.Stdin = strings.NewReader(stdin)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	return out.String(), err == nil
}

// ok runs a command that must succeed and say each of the texts.
func (k *kubectl) ok(line string, says ...string) string {
	k.t.Helper()
	return k.expect(line, true, says)
}

// refused runs a command that must fail and say each of the texts.
func (k *kubectl) refused(line string, says ...string) string {
	k.t.Helper()
	return k.expect(line, false, says)
}

func (k *kubectl) expect(line string, want bool, says []string) string {
	k.t.Helper()
	out, ok := k.try("", line)
	if ok != want {
		k.t.Errorf("kubectl %s: success is %v, want %v:\n%s", line, ok, want, out)
	}
	for _, text := range says {
		if !strings.Contains(out, text) {
			k.t.Errorf("kubectl %s: want %q in\n%s", line, text, out)
		}
	}
	return out
}

const deploymentYAML = `apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
  labels: {app: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - name: c
        image: nginx:1.7.9
        ports: [{containerPort: 80}]
        resources: {requests: {cpu: 100m, memory: 64Mi}, limits: {cpu: "1"}}
        livenessProbe: {httpGet: {path: /, port: 80}, initialDelaySeconds: 3}
`

// TestO10Kubectl runs stock kubectls, old and new, through what they ask of an
// API server.
func TestO10Kubectl(t *testing.T) {
	for _, program := range clients {
		t.Run(program, func(t *testing.T) {
			t.Parallel()
			c := apitest.New(t, nil)
			k := newKubectl(t, c, program)
			new := program != "kubectl-1.20"
			k.ok("version", "v1.37.2")
			k.ok("get ns", "default", "Active")
			k.ok("create ns kq", "created")
			k.ok("config set-context --current --namespace=kq")
			file := k.write("d.yaml", deploymentYAML)
			k.ok("apply -f "+file, "deployment.apps/web created")
			k.ok("apply -f "+file, "unchanged")
			k.write("d2.yaml", strings.Replace(deploymentYAML, "replicas: 2", "replicas: 5", 1))
			if out, ok := k.try("", "diff -f d2.yaml"); ok || !strings.Contains(out, "+  replicas: 5") {
				t.Errorf("diff: %v\n%s", ok, out)
			}
			k.ok("apply --dry-run=server -f d2.yaml", "configured (server dry run)")
			k.ok("get deploy web -o jsonpath={.spec.replicas}", "2")
			k.ok("apply -f d2.yaml", "configured")
			k.ok("get deploy web -o jsonpath={.spec.replicas}", "5")
			k.ok("get deploy -o wide", "NAME", "READY", "IMAGES", "nginx:1.7.9")
			k.ok("get deploy,ns -A", "deployment.apps/web", "namespace/kq")
			k.ok("get all", "deployment.apps/web")
			k.ok("scale deploy/web --replicas=3", "scaled")
			k.ok("get deploy web -o yaml", "replicas: 3", "kind: Deployment", "apiVersion: apps/v1")
			k.ok("set image deploy/web c=nginx:1.8", "image updated")
			k.ok("label deploy/web tier=front", "labeled")
			k.ok("annotate deploy/web note=x", "annotated")
			k.ok(`patch deploy/web -p {"spec":{"replicas":4}}`, "patched")
			k.ok(`patch deploy/web --type=merge -p {"spec":{"replicas":2}}`, "patched")
			k.ok(`patch deploy/web --type=json -p [{"op":"replace","path":"/spec/replicas","value":1}]`, "patched")
			k.ok("rollout pause deploy/web", "paused")
			k.ok("rollout resume deploy/web", "resumed")
			k.ok("rollout restart deploy/web", "restarted")
			k.ok("describe deploy web", "Selector:", "app=web", "nginx:1.8")
			k.ok("explain deployment.spec.replicas", "integer")
			k.ok("explain pods.spec.containers", "FIELDS")
			k.ok("explain pods --recursive", "containerPort")
			k.write("ss.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: ss}\ndata: {a: b}\n")
			k.ok("apply --server-side -f ss.yaml", "configmap/ss serverside-applied")
			k.ok("apply --server-side -f ss.yaml", "configmap/ss serverside-applied")
			k.ok("create cm c1 --from-literal=a=b", "created")
			k.ok("create deployment d2 --image=a:1", "created")
			k.ok("run r1 --image=a:1", "created")
			k.ok("expose deploy/web --port=80 --name=s1", "exposed")
			k.ok("create secret generic s --from-literal=a=b", "created")
			k.ok("get pods -l run=r1 --field-selector=status.phase=Pending", "r1")
			k.ok("get pods --sort-by=.metadata.name", "r1")
			k.refused("get pods --field-selector=spec.foo=x", `"spec.foo" is not a known field selector: only "metadata.name"`)
			k.refused("wait --for=condition=Available deploy/web --timeout=1s", "timed out waiting for the condition")
			k.ok("auth can-i create pods", "yes")
			k.ok("auth can-i --list", "*.*")
			k.ok("api-resources", "deployments", "deploy", "selfsubjectreviews")
			k.ok("api-versions", "apps/v1", "discovery.k8s.io/v1")
			k.ok("get --raw /readyz", "ok")
			k.ok("cluster-info", "running at")
			if new {
				k.ok("auth whoami", "admin", "system:masters")
				k.ok("events", "No events")
				k.ok("explain deployment.spec.strategy", "Deployment", "rollingUpdate")
				k.ok("patch deploy/web --subresource=scale --type=merge -p {\"spec\":{\"replicas\":6}}", "patched")
			}
			k.ok("delete cm/c1 --wait=false", "deleted")
			k.ok("delete deploy/d2 --cascade=foreground --wait=false", "deleted")
			k.ok("delete cm -l nothing=here", "No resources")
			k.ok("delete -f d.yaml --wait=false", "deleted")
			k.ok("get cm --chunk-size=1", "")
			k.ok("delete pods --all --wait=false", "deleted")
			k.write("job.yaml", "apiVersion: batch/v9\nkind: Nonsense\nmetadata: {name: j}\n")
			k.refused("apply -f job.yaml", `no matches for kind "Nonsense" in version "batch/v9"`)
			k.refused("get nonsense", "the server doesn't have a resource type \"nonsense\"")
		})
	}
}

// TestP11Kubectl streams with the stock kubectls.
func TestP11Kubectl(t *testing.T) {
	for _, program := range clients {
		t.Run(program, func(t *testing.T) {
			t.Parallel()
			k := newKubectl(t, streaming(t), program)
			k.ok("logs p -c web", "log of web\nlast line")
			k.ok("logs p -c side --tail=1", "last line")
			k.ok("exec p -c web -- echo hello", "hello")
			if out, ok := k.try("typed in", "exec -i p -c web -- cat"); !ok || out != "typed in" {
				t.Errorf("exec -i: %v %q", ok, out)
			}
			k.refused("logs none", `pods "none" not found`)
			k.refused("exec lost -- true", "node n2")
			k.refused("exec p -c none -- true", "container none is not valid for pod p")
		})
	}
}
