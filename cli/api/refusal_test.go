package api_test

import (
	"errors"
	"io"
	"net/http"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"segno/cli/api/apitest"
	"segno/proto"
)

const deploymentsPath = "/apis/apps/v1/namespaces/default/deployments"

const deploymentJSON = `{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"web"},"spec":{"selector":{"matchLabels":{"app":"web"}},
"template":{"metadata":{"labels":{"app":"web"}},"spec":{"containers":[{"name":"c","image":"a:1"}]}}}}`

// TestBadInput sends what must be refused: each with a clear error, and the
// log unchanged.
func TestBadInput(t *testing.T) {
	c := client{t, apitest.New(t, nil)}
	c.Create(t, deployment("web", 1))
	before := c.Folds[proto.StreamEvents].Position()
	change := func(old, new string) string { return strings.Replace(deploymentJSON, old, new, 1) }
	yaml, strict := "Content-Type: application/yaml", "?fieldValidation=Strict"
	tests := []struct {
		name, method, path, body string
		headers                  []string
		code                     int
		reason                   metav1.StatusReason
		text                     string
	}{
		{"malformed JSON", "POST", deploymentsPath, `{"metadata":`, nil, 400, "BadRequest", "unexpected end of JSON input"},
		{"malformed YAML", "POST", deploymentsPath, "metadata:\n  name: a\n b: c\n", []string{yaml}, 400, "BadRequest", "line 2"},
		{"empty body", "POST", deploymentsPath, "", nil, 400, "BadRequest", "empty body"},
		{"unknown field", "POST", deploymentsPath + strict, change(`"selector"`, `"replcas":1,"selector"`), nil, 400, "BadRequest", `strict decoding error: unknown field "spec.replcas"`},
		{"field twice", "POST", deploymentsPath + strict, change(`"selector"`, `"replicas":1,"replicas":2,"selector"`), nil, 400, "BadRequest", `duplicate field "spec.replicas"`},
		{"unknown field in YAML", "POST", "/api/v1/namespaces/default/configmaps" + strict, "metadata:\n  name: a\ndta: {}\n", []string{yaml}, 400, "BadRequest", `unknown field "dta"`},
		{"unknown validation", "POST", deploymentsPath + "?fieldValidation=strict", deploymentJSON, nil, 422, "Invalid", `fieldValidation: Unsupported value: "strict": supported values: "Ignore", "Strict", "Warn"`},
		{"wrong type", "POST", deploymentsPath, change(`"selector"`, `"replicas":"two","selector"`), nil, 400, "BadRequest", "spec.replicas"},
		{"wrong kind", "POST", deploymentsPath, `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"x"}}`, nil, 400, "BadRequest", "does not match"},
		{"name", "POST", deploymentsPath, change(`"web"`, `"Web_1"`), nil, 422, "Invalid", `metadata.name: Invalid value: "Web_1"`},
		{"no name", "POST", deploymentsPath, change(`"name":"web"`, ``), nil, 422, "Invalid", "name or generateName is required"},
		{"label", "POST", deploymentsPath, change(`{"name":"web"}`, `{"name":"x","labels":{"a b":"c"}}`), nil, 422, "Invalid", "metadata.labels"},
		{"selector", "POST", deploymentsPath, strings.Replace(change(`"matchLabels":{"app":"web"}`, `"matchLabels":{"app":"other"}`), `{"name":"web"}`, `{"name":"x"}`, 1), nil, 422, "Invalid", "`selector` does not match template `labels`"},
		{"namespace missing", "POST", strings.Replace(deploymentsPath, "default", "none", 1), deploymentJSON, nil, 404, "NotFound", `namespaces "none" not found`},
		{"namespace differs", "POST", deploymentsPath, change(`{"name":"web"}`, `{"name":"x","namespace":"kube-system"}`), nil, 400, "BadRequest", "the namespace of the provided object does not match the namespace sent on the request"},
		{"exists", "POST", deploymentsPath, deploymentJSON, nil, 409, "AlreadyExists", `deployments.apps "web" already exists`},
		{"immutable", "PATCH", deploymentsPath + "/web", `{"spec":{"selector":{"matchLabels":{"b":"c"}}}}`, []string{"Content-Type: application/merge-patch+json"}, 422, "Invalid", "field is immutable"},
		{"stale version", "PATCH", deploymentsPath + "/web", `{"metadata":{"resourceVersion":"1"}}`, []string{"Content-Type: application/merge-patch+json"}, 409, "Conflict", "the object has been modified"},
		{"patch of nothing", "PATCH", deploymentsPath + "/none", `{}`, []string{"Content-Type: application/merge-patch+json"}, 404, "NotFound", `deployments.apps "none" not found`},
		{"patch form", "PATCH", deploymentsPath + "/web", `{}`, nil, 415, "UnsupportedMediaType", "accepted media types include: application/json-patch+json"},
		{"apply without a manager", "PATCH", deploymentsPath + "/web", deploymentJSON, []string{"Content-Type: application/apply-patch+yaml", "User-Agent: "}, 422, "Invalid", "fieldManager"},
		{"bad JSON patch", "PATCH", deploymentsPath + "/web", `[{"op":"replace","path":"/spec/none/x","value":1}]`, []string{"Content-Type: application/json-patch+json"}, 422, "Invalid", "/spec/none/x"},
		{"content type", "POST", deploymentsPath, "x", []string{"Content-Type: text/html"}, 415, "UnsupportedMediaType", "accepted media types include: application/json"},
		{"content type syntax", "POST", deploymentsPath, "x", []string{"Content-Type: ;;"}, 400, "BadRequest", "Content-Type"},
		{"compressed", "POST", deploymentsPath, "x", []string{"Content-Encoding: gzip"}, 415, "UnsupportedMediaType", `Content-Encoding "gzip" is not accepted`},
		{"name in the path", "PUT", deploymentsPath + "/other", deploymentJSON, nil, 400, "BadRequest", "the name of the object (web) does not match the name on the URL (other)"},
		{"manager", "PATCH", deploymentsPath + "/web?fieldManager=" + strings.Repeat("x", 129), "{}", []string{"Content-Type: application/merge-patch+json"}, 422, "Invalid", "fieldManager"},
		{"propagation", "DELETE", deploymentsPath + "/web?propagationPolicy=Some", "", nil, 400, "BadRequest", "must be one of Background, Foreground, Orphan"},
		{"delete of nothing", "DELETE", deploymentsPath + "/none", "", nil, 404, "NotFound", `deployments.apps "none" not found`},
		{"delete options", "DELETE", deploymentsPath + "/web", `{"propagationPolicy":3}`, nil, 400, "BadRequest", "DeleteOptions"},
		{"post to an object", "POST", deploymentsPath + "/web", deploymentJSON, nil, 405, "MethodNotAllowed", "create is not supported on resources of kind \"deployments.apps\""},
		{"put to a collection", "PUT", deploymentsPath, deploymentJSON, nil, 405, "MethodNotAllowed", "not supported"},
		{"create everywhere", "POST", "/apis/apps/v1/deployments", deploymentJSON, nil, 405, "MethodNotAllowed", "not supported"},
		{"odd method", "OPTIONS", deploymentsPath, "", nil, 405, "MethodNotAllowed", "not supported"},
		{"unknown resource", "GET", "/apis/apps/v1/nonsense", "", nil, 404, "NotFound", "the server could not find the requested resource"},
		{"unknown version", "GET", "/apis/apps/v9/deployments", "", nil, 404, "NotFound", "could not find the requested resource"},
		{"unknown path", "GET", "/nonsense", "", nil, 404, "NotFound", "could not find the requested resource"},
		{"empty segment", "GET", "/api/v1/namespaces//pods", "", nil, 404, "NotFound", "could not find"},
		{"no such subresource", "GET", deploymentsPath + "/web/log", "", nil, 404, "NotFound", "could not find"},
		{"scope", "GET", "/api/v1/namespaces/default/nodes", "", nil, 404, "NotFound", "could not find"},
		{"negative scale", "PATCH", deploymentsPath + "/web/scale", `{"spec":{"replicas":-1}}`, []string{"Content-Type: application/merge-patch+json"}, 422, "Invalid", "greater than or equal to 0"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			client := client{t, c.Cluster}
			client.status(client.do(test.method, test.path, test.body, test.headers...), test.code, test.reason, test.text)
		})
	}
	if after := c.Folds[proto.StreamEvents].Position(); after != before {
		t.Errorf("the log went on from %v to %v", before, after)
	}
}

// TestWarnings tell of unknown fields unless they are to be ignored.
func TestWarnings(t *testing.T) {
	c := client{t, apitest.New(t, nil)}
	body := strings.Replace(deploymentJSON, `"selector"`, `"replcas":1,"selector"`, 1)
	for query, want := range map[string]string{"": `299 - "unknown field \"spec.replcas\""`, "&fieldValidation=Warn": `299 - "unknown field \"spec.replcas\""`, "&fieldValidation=Ignore": ""} {
		got := c.do("POST", deploymentsPath+"?dryRun=All"+query, body)
		if got.code != 201 || got.header.Get("Warning") != want {
			t.Errorf("%s: %d %q", query, got.code, got.header.Get("Warning"))
		}
	}
}

// TestO10WarningsOfWhatNothingActsOn come with what is accepted, by whichever
// verb, and not with what leaves the field alone.
func TestO10WarningsOfWhatNothingActsOn(t *testing.T) {
	c := client{t, apitest.New(t, nil)}
	const warning = `299 - "spec.template.spec.imagePullSecrets: not acted on by this version"`
	body := strings.Replace(deploymentJSON, `"containers"`, `"imagePullSecrets":[{"name":"s"}],"containers"`, 1)
	if body == deploymentJSON {
		t.Fatal("the test changes nothing in the body")
	}
	steps := []struct {
		name, method, path, body, media, want string
	}{
		{"dry run", "POST", deploymentsPath + "?dryRun=All", body, "application/json", warning},
		{"create", "POST", deploymentsPath, body, "application/json", warning},
		{"the same again", "PUT", deploymentsPath + "/web", body, "application/json", ""},
		{"a label", "PATCH", deploymentsPath + "/web", `{"metadata":{"labels":{"a":"b"}}}`, "application/merge-patch+json", ""},
		{"scale", "PATCH", deploymentsPath + "/web/scale", `{"spec":{"replicas":2}}`, "application/merge-patch+json", ""},
		{"another image", "PATCH", deploymentsPath + "/web", `{"spec":{"template":{"spec":{"containers":[{"name":"c","image":"other"}]}}}}`, "application/strategic-merge-patch+json", warning},
		{"without the field", "PATCH", deploymentsPath + "/web", `{"spec":{"template":{"spec":{"imagePullSecrets":null}}}}`, "application/merge-patch+json", ""},
		{"refused", "PUT", deploymentsPath + "/none", body, "application/json", ""},
	}
	for _, step := range steps {
		got := c.do(step.method, step.path, step.body, "Content-Type: "+step.media)
		if (got.code > 299) != (step.name == "refused") || got.header.Get("Warning") != step.want {
			t.Errorf("%s: %d %q, want %q\n%s", step.name, got.code, got.header.Get("Warning"), step.want, got.body)
		}
	}
}

// endless is a body without an end that counts what was read of it.
type endless struct{ read, limit int64 }

func (e *endless) Read(p []byte) (int, error) {
	n := atomic.AddInt64(&e.read, int64(len(p)))
	if n > e.limit {
		return 0, io.EOF
	}
	for i := range p {
		p[i] = 'x'
	}
	return len(p), nil
}

// TestHugeBody sends 100 MB, with and without a length: 413, and neither the
// server's memory nor the line is filled with it.
func TestHugeBody(t *testing.T) {
	c := client{t, apitest.New(t, nil)}
	for _, length := range []int64{100 << 20, -1} {
		body := &endless{limit: 100 << 20}
		r, err := http.NewRequestWithContext(t.Context(), "POST", c.URL+mapsPath, body)
		if err != nil {
			t.Fatal(err)
		}
		r.ContentLength = length
		r.Header.Set("Content-Type", "application/json")
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			var op interface{ Timeout() bool }
			if errors.As(err, &op) && length > 0 {
				continue // the server closed before the body was sent: as good an answer as TCP lets it give
			}
			t.Fatal(err)
		}
		data, _ := io.ReadAll(answer.Body)
		_ = answer.Body.Close()
		c.status(reply{answer.StatusCode, answer.Header, string(data)}, 413, metav1.StatusReasonRequestEntityTooLarge, "limit is 3145728")
		runtime.ReadMemStats(&after)
		if grown := after.TotalAlloc - before.TotalAlloc; grown > 24<<20 {
			t.Errorf("length %d: %d MiB were allocated", length, grown>>20)
		}
		if read := atomic.LoadInt64(&body.read); read > 16<<20 {
			t.Errorf("length %d: %d MiB went over the line", length, read>>20)
		}
	}
	big := strings.Repeat("x", 2<<20)
	c.status(c.do("POST", deploymentsPath, strings.Replace(deploymentJSON, `"image"`, `"args":["`+big+`"],"image"`, 1)), 413, metav1.StatusReasonRequestEntityTooLarge, "at most 1572864")
}
