package kinds

import (
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// imageTag answers the tag of an image reference: "latest" when it names
// neither a tag nor a digest, "" when it names a digest alone.
func imageTag(image string) string {
	name, digest, pinned := strings.Cut(image, "@")
	last := name[strings.LastIndexByte(name, '/')+1:]
	if _, tag, ok := strings.Cut(last, ":"); ok {
		return tag
	}
	if pinned && digest != "" {
		return ""
	}
	return "latest"
}

// pullPolicy is the default of imagePullPolicy: Always for the tag latest.
func pullPolicy(image string) corev1.PullPolicy {
	if imageTag(image) == "latest" {
		return corev1.PullAlways
	}
	return corev1.PullIfNotPresent
}
