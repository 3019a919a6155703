package commands

import "testing"

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
