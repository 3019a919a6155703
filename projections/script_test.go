package projections

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"segno/events"
	"segno/proto"
)

var update = flag.Bool("update", false, "write what the scripts in testdata give")

// TestScripts folds the file "log" of each archive, a transaction a line, and
// compares the dump with the file "dump". A transaction is events parted by
// semicolons, after an optional "cause SEQ:"; an event is
//
//	spec|status|gone KIND NAMESPACE/NAME UID [node=… phase=… owner=… value=… LABEL=VALUE…]
//	mark
func TestScripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			parts := map[string]*txtar.File{}
			for i := range archive.Files {
				parts[archive.Files[i].Name] = &archive.Files[i]
			}
			p := open(t, Config{})
			commit(t, p, readScript(t, string(parts["log"].Data))...)
			got := dumpOf(t, p)
			if *update {
				parts["dump"].Data = []byte(got)
				if err := os.WriteFile(file, txtar.Format(archive), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if diff := cmp.Diff(string(parts["dump"].Data), got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func readScript(t *testing.T, text string) []proto.Entry {
	t.Helper()
	var s script
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
			continue
		}
		var cause proto.Seq
		if rest, ok := strings.CutPrefix(line, "cause "); ok {
			number, behind, _ := strings.Cut(rest, ":")
			var err error
			if cause, err = proto.ParseSeq(number); err != nil {
				t.Fatalf("%q: %v", line, err)
			}
			line = behind
		}
		var evs []proto.Event
		for part := range strings.SplitSeq(line, ";") {
			ev, err := readEventLine(strings.Fields(part))
			if err != nil {
				t.Fatalf("%q: %v", part, err)
			}
			evs = append(evs, ev)
		}
		s.because(cause, evs...)
	}
	return s.log
}

func readEventLine(words []string) (proto.Event, error) {
	if len(words) == 1 && words[0] == "mark" {
		return marked(), nil
	}
	if len(words) < 4 {
		return proto.Event{}, fmt.Errorf("%q is no event", words)
	}
	namespace, name, _ := strings.Cut(words[2], "/")
	set := map[string]string{}
	var tags []string
	for _, word := range words[4:] {
		key, value, _ := strings.Cut(word, "=")
		switch key {
		case "node", "phase", "owner", "value", "about":
			set[key] = value
		default:
			tags = append(tags, key, value)
		}
	}
	var obj events.Object
	switch words[1] {
	case "pod":
		p := pod(namespace, name, words[3], set["node"], corev1.PodPhase(set["phase"]), tags...)
		if set["owner"] != "" {
			p.OwnerReferences = []metav1.OwnerReference{{UID: types.UID(set["owner"])}}
		}
		obj = p
	case "configmap":
		obj = configMap(namespace, name, words[3], set["value"], tags...)
	case "event":
		obj = &corev1.Event{ObjectMeta: meta1(namespace, name, words[3], tags), InvolvedObject: corev1.ObjectReference{UID: types.UID(set["about"])}}
	default:
		return proto.Event{}, fmt.Errorf("%q is no kind", words[1])
	}
	switch words[0] {
	case "spec":
		return specified(obj), nil
	case "status":
		return observed(obj), nil
	case "gone":
		return ended(obj), nil
	default:
		return proto.Event{}, fmt.Errorf("%q is no section", words[0])
	}
}
