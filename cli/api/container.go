package api

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// containerOf chooses a container of the pod: the one asked for, or the only
// one there is.
func containerOf(pod *corev1.Pod, asked string) (string, error) {
	names, inits, ephemeral := containerNames(pod)
	if asked != "" {
		if slices.Contains(names, asked) || slices.Contains(inits, asked) || slices.Contains(ephemeral, asked) {
			return asked, nil
		}
		return "", badRequest("container %s is not valid for pod %s", asked, pod.Name)
	}
	if len(names) == 1 && len(inits) == 0 && len(ephemeral) == 0 {
		return names[0], nil
	}
	if preferred := pod.Annotations["kubectl.kubernetes.io/default-container"]; slices.Contains(names, preferred) {
		return preferred, nil
	}
	if len(names) == 1 {
		return names[0], nil
	}
	text := fmt.Sprintf("a container name must be specified for pod %s, choose one of: [%s]", pod.Name, strings.Join(names, " "))
	if len(inits) > 0 {
		text += fmt.Sprintf(" or one of the init containers: [%s]", strings.Join(inits, " "))
	}
	if len(ephemeral) > 0 {
		text += fmt.Sprintf(" or one of the ephemeral containers: [%s]", strings.Join(ephemeral, " "))
	}
	return "", badRequest("%s", text)
}

func containerNames(pod *corev1.Pod) (names, inits, ephemeral []string) {
	for i := range pod.Spec.Containers {
		names = append(names, pod.Spec.Containers[i].Name)
	}
	for i := range pod.Spec.InitContainers {
		inits = append(inits, pod.Spec.InitContainers[i].Name)
	}
	for i := range pod.Spec.EphemeralContainers {
		ephemeral = append(ephemeral, pod.Spec.EphemeralContainers[i].Name)
	}
	return names, inits, ephemeral
}

// logProblems checks the parameters of a log request before they travel.
func logProblems(query url.Values) error {
	for name, least := range map[string]int64{"tailLines": 0, "limitBytes": 1, "sinceSeconds": 1} {
		text := query.Get(name)
		if text == "" {
			continue
		}
		if n, err := strconv.ParseInt(text, 10, 64); err != nil || n < least {
			return badRequest("%s %q: must be a whole number of at least %d", name, text, least)
		}
	}
	since := query.Get("sinceTime")
	if since == "" {
		return nil
	}
	if query.Get("sinceSeconds") != "" {
		return badRequest("at most one of sinceTime or sinceSeconds may be specified")
	}
	if _, err := time.Parse(time.RFC3339, since); err != nil {
		return badRequest("sinceTime %q: must be a time as in RFC 3339", since)
	}
	return nil
}
