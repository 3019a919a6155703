package commands

import (
	"strings"
	"testing"

	"k8s.io/cli-runtime/pkg/genericiooptions"
)

func TestU2HelpNamesSegno(t *testing.T) {
	for text, want := range map[string]string{
		"kubectl get pods":                                  "segno get pods",
		"  # Run 'kubectl apply' (or kubectl)":              "  # Run 'segno apply' (or segno)",
		"see https://kubernetes.io/docs/reference/kubectl/": "see https://kubernetes.io/docs/reference/kubectl/",
		"kubectl.kubernetes.io/restartedAt":                 "kubectl.kubernetes.io/restartedAt",
		"as kubectl-create does":                            "as kubectl-create does",
	} {
		if got := ours(text); got != want {
			t.Errorf("%q became %q, want %q", text, got, want)
		}
	}
}

// TestU2OurOwnHelpMayNameKubectl: what is said of kubectl stays.
func TestU2OurOwnHelpMayNameKubectl(t *testing.T) {
	root := newRoot(genericiooptions.NewTestIOStreamsDiscard(), []string{"segno"})
	for words, want := range map[string]string{
		"fork":  "is for segno, kubectl and all other tools",
		"open":  "for segno and kubectl",
		"apply": "segno apply -f ./pod.json",
	} {
		cmd, _, err := root.Find([]string{words})
		if err != nil || !strings.Contains(cmd.Long+cmd.Example, want) {
			t.Errorf("%s does not say %q: %v\n%s", words, want, err, cmd.Long)
		}
	}
}
