package events

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	autoscalingv1 "k8s.io/api/autoscaling/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"segno/proto"
	"sigs.k8s.io/yaml"
)

var update = flag.Bool("update", false, "rewrite the answers in testdata/decide")

// TestDecide runs the scripts of testdata/decide. A script is a list of steps,
// each a command line, perhaps a body below it, "----", and the answer up to an
// empty line. Every step is also held to the laws of laws_test.go.
func TestDecide(t *testing.T) {
	files, err := filepath.Glob("testdata/decide/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) { runScript(t, file) })
	}
}

func runScript(t *testing.T, file string) {
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	s := script{t: t, cluster: newCluster(t)}
	var out strings.Builder
	for _, block := range strings.Split(string(content), "\n\n") {
		block = strings.Trim(block, "\n")
		step, want, isStep := strings.Cut(block, "\n----")
		if !isStep {
			out.WriteString(block + "\n\n")
			continue
		}
		got := s.step(step)
		out.WriteString(step + "\n----\n" + got + "\n")
		if want = strings.TrimPrefix(want, "\n"); !*update && strings.TrimRight(want, "\n") != strings.TrimRight(got, "\n") {
			t.Errorf("%s\n-- got --\n%s\n-- want --\n%s", step, got, want)
		}
	}
	if *update {
		if err := os.WriteFile(file, []byte(strings.TrimRight(out.String(), "\n")+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// script is a running script.
type script struct {
	t       *testing.T
	cluster *cluster
}

// words are the parts of a command line: verb, resource, namespace/name, and
// key=value options.
type words struct {
	verb    string
	key     proto.ObjectKey
	options map[string]string
}

func parseLine(line string) words {
	w := words{options: map[string]string{}}
	fields := strings.Fields(line)
	w.verb = fields[0]
	for i, f := range fields[1:] {
		if name, value, ok := strings.Cut(f, "="); ok {
			w.options[name] = value
			continue
		}
		if i == 0 {
			name, group, _ := strings.Cut(f, ".")
			w.key.Resource = proto.Resource{Group: group, Name: name}
			continue
		}
		ns, name, ok := strings.Cut(f, "/")
		if !ok {
			ns, name = "", f
		}
		w.key.Namespace, w.key.Name = ns, name
	}
	return w
}

func (s *script) step(text string) string {
	var lines []string
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "#") {
			lines = append(lines, line)
		}
	}
	w := parseLine(lines[0])
	body := strings.Join(lines[1:], "")
	switch w.verb {
	case "get":
		return s.get(w.key)
	case "tick":
		by, err := time.ParseDuration(w.options["by"])
		if err != nil {
			s.t.Fatal(err)
		}
		s.cluster.at = s.cluster.at.Add(by)
		return ""
	case "batch":
		var batch Batch
		for _, item := range strings.Split(body, "+++\n") {
			line, body, _ := strings.Cut(item, "\n")
			action, err := s.action(parseLine(line), body)
			if err != nil {
				return answerError(err)
			}
			batch = append(batch, action)
		}
		return s.answer(w, batch)
	default:
		action, err := s.action(w, body)
		if err != nil {
			return answerError(err)
		}
		return s.answer(w, action)
	}
}

func (s *script) answer(w words, action Action) string {
	cmd := Command{Actor: proto.Actor(w.options["actor"]), Reason: w.options["reason"], Manager: w.options["manager"], DryRun: w.options["dry"] == "true", Action: action}
	d, err := lawfully(s.t, s.cluster, cmd)
	if err != nil {
		return answerError(err)
	}
	var b strings.Builder
	for _, e := range d.Events {
		fmt.Fprintf(&b, "%s %s: %s\n", e.Section.Name(), e.Kind, e.Reason)
	}
	if len(d.Events) == 0 {
		b.WriteString("nothing changes\n")
	}
	for _, warning := range d.Warnings {
		fmt.Fprintf(&b, "warning: %s\n", warning)
	}
	switch {
	case d.Deleted:
		b.WriteString("gone\n")
	case d.Created:
		fmt.Fprintf(&b, "created %s\n", d.Object.GetName())
	}
	return b.String()
}

func answerError(err error) string {
	var status *apierrors.StatusError
	if !errors.As(err, &status) {
		return fmt.Sprintf("error: %v\n", err)
	}
	out := fmt.Sprintf("%d %s: %v\n", status.ErrStatus.Code, status.ErrStatus.Reason, err)
	if d := status.ErrStatus.Details; d != nil {
		for _, c := range d.Causes {
			out += fmt.Sprintf("  cause %s %s\n", c.Type, c.Field)
		}
	}
	return out
}

// get prints the object that the fold has, without what is always the same.
func (s *script) get(key proto.ObjectKey) string {
	obj := s.cluster.get(key)
	if obj == nil {
		return "none\n"
	}
	out, err := yaml.Marshal(obj)
	if err != nil {
		s.t.Fatal(err)
	}
	return string(out)
}

func (s *script) action(w words, body string) (Action, error) {
	switch w.verb {
	case "create":
		obj, err := s.decode(w, body)
		return Create{Key: w.key, Object: obj, UID: types.UID(w.options["uid"]), NameSuffix: w.options["suffix"]}, err
	case "update":
		if w.options["sub"] == SubScale {
			scale := &autoscalingv1.Scale{}
			_, err := DecodeInto(scale, ScaleKind, MediaYAML, []byte(body), ValidateStrict)
			return Update{Key: w.key, Subresource: SubScale, Object: scale}, err
		}
		obj, err := s.decode(w, body)
		return Update{Key: w.key, Subresource: w.options["sub"], Object: obj, CreateUID: types.UID(w.options["create"])}, err
	case "patch":
		media := map[string]types.PatchType{
			"json": types.JSONPatchType, "merge": types.MergePatchType, "strategic": types.StrategicMergePatchType, "apply": types.ApplyYAMLPatchType,
		}[w.options["type"]]
		return Patch{Key: w.key, Subresource: w.options["sub"], Type: media, Data: bytes.TrimSpace([]byte(body)), Validation: FieldValidation(w.options["validation"]),
			Force: w.options["force"] == "true", CreateUID: types.UID(w.options["create"])}, nil
	case "delete":
		return Delete{Key: w.key, Options: s.deleteOptions(w)}, nil
	case "bind":
		rv, err := proto.ParseSeq(w.options["rv"])
		return Bind{Key: w.key, UID: types.UID(w.options["uid"]), Node: proto.NodeName(w.options["node"]), Version: rv}, err
	case "elect":
		term, err := strconv.ParseUint(w.options["term"], 10, 64)
		return Elect{Term: term, ID: w.options["id"]}, err
	default:
		return nil, fmt.Errorf("no such command: %s", w.verb)
	}
}

func (s *script) decode(w words, body string) (Object, error) {
	kind := s.cluster.table.Of(w.key.Resource)
	if kind == nil {
		return nil, nil
	}
	if as := w.options["as"]; as != "" { // a body of another kind
		kind = s.cluster.table.Of(proto.Resource{Name: as})
	}
	if strings.TrimSpace(body) == "" {
		body = "{}"
	}
	obj, _, err := DecodeBody(kind, MediaYAML, []byte(body), ValidateStrict)
	return obj, err
}

func (s *script) deleteOptions(w words) metav1.DeleteOptions {
	var o metav1.DeleteOptions
	if v, ok := w.options["grace"]; ok {
		n, err := strconv.ParseInt(v, 10, 64)
		if err != nil {
			s.t.Fatal(err)
		}
		o.GracePeriodSeconds = &n
	}
	if v, ok := w.options["policy"]; ok {
		policy := metav1.DeletionPropagation(v)
		o.PropagationPolicy = &policy
	}
	if v, ok := w.options["orphan"]; ok {
		orphan := v == "true"
		o.OrphanDependents = &orphan
	}
	if v, ok := w.options["uid"]; ok {
		o.Preconditions = &metav1.Preconditions{UID: (*types.UID)(&v)}
	}
	if v, ok := w.options["rv"]; ok {
		o.Preconditions = &metav1.Preconditions{ResourceVersion: &v}
	}
	return o
}
