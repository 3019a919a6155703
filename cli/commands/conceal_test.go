package commands

import (
	"strings"
	"testing"
	"time"

	"segno/cli/api/history"
	"segno/proto"
)

// TestE5SecretsAreNotShown: that they changed is, in either table, and values of
// other kinds are.
func TestE5SecretsAreNotShown(t *testing.T) {
	list := history.List{Object: proto.Object{Resource: "secrets", Namespace: "default", Name: "s"}, Revisions: []history.Revision{
		revision(1, "user:a", "", "SecretCreated", `data.a - "aGlkZGVu"`, `type - "Opaque"`),
		revision(2, "user:a", "", "SecretChanged", `data.a "aGlkZGVu" "aGlkZGVuMg=="`, `data[tls.key] "aGlkZGVu" -`,
			`metadata.annotations[kubectl.kubernetes.io/last-applied-configuration] - "aGlkZGVu"`, `metadata.labels.l - "shown"`),
	}}
	var short, full strings.Builder
	if err := writeHistory(&short, conceal(list), time.Now()); err != nil {
		t.Fatal(err)
	}
	if err := writeFullHistory(&full, conceal(list)); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{short.String(), full.String()} {
		if strings.Contains(text, "aGlk") || !strings.Contains(text, "shown") {
			t.Errorf("got\n%s", text)
		}
	}
	for text, want := range map[string]string{short.String(): ".data.a set", full.String(): "  .data.a: changed\n  .data[tls.key]: removed\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("want %q in\n%s", want, text)
		}
	}
	if string(list.Revisions[0].Changes[0].New) != `"aGlkZGVu"` {
		t.Error("the list itself was changed")
	}
	list.Object.Resource = "configmaps"
	short.Reset()
	if err := writeHistory(&short, conceal(list), time.Now()); err != nil || !strings.Contains(short.String(), "aGlkZGVu") {
		t.Errorf("%v\n%s", err, short.String())
	}
}

// TestE5SecretsAreNotSpoken: a command line goes into the log without them.
func TestE5SecretsAreNotSpoken(t *testing.T) {
	for line, want := range map[string]string{
		"create secret generic s --from-literal=a=b --from-literal c=d": "segno create secret generic s --from-literal=a=… --from-literal c=…",
		"create secret docker-registry r --docker-password x":           "segno create secret docker-registry r --docker-password …",
		"patch secret/s -p {x}":                     "segno patch secret/s -p …",
		"patch secret s -p{x=y}":                    "segno patch secret s -p=…",
		"patch secrets.v1. s -p=x=y":                "segno patch secrets.v1. s -p=…",
		"patch cm/a,secret/s -p {x}":                "segno patch cm/a,secret/s -p …",
		"patch -f s.yaml --patch={x}":               "segno patch -f s.yaml --patch=…",
		"logs -p web":                               "segno logs -p web",
		"--token abc get pods":                      "segno --token … get pods",
		"get --raw /api?limit=1&token=X&password=Y": "segno get --raw /api?limit=1&token=…&password=…",
		"get pods --token=abc":                      "segno get pods --token=…",
		"exec web -- login --token abc":             "segno exec web -- login --token abc",
		"create configmap m --from-literal=a=b":     "segno create configmap m --from-literal=a=b",
		"get secrets -o yaml":                       "segno get secrets -o yaml",
	} {
		if got := spoken(strings.Fields(line)); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	if got, want := spoken([]string{"patch", "cm", "m", "-p", "{\n\t\"a\": \"\x7f\u009b\"}"}), `segno patch cm m -p {  "a": "  "}`; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
