package events

import (
	corev1 "k8s.io/api/core/v1"

	"segno/proto"
)

// Need is a ConfigMap or a Secret that a pod names, in its own namespace.
type Need struct {
	Resource proto.Resource
	Name     string
	// Optional says that the pod runs without it.
	Optional bool
}

var (
	ofConfigMaps = proto.Resource{Name: "configmaps"}
	ofSecrets    = proto.Resource{Name: "secrets"}
)

// Needs lists what a pod names: for a volume, its environment, or to pull an
// image. What is named twice is listed twice.
func Needs(spec *corev1.PodSpec) []Need {
	var n needs
	for i := range spec.Volumes {
		n.volume(&spec.Volumes[i])
	}
	for _, list := range [][]corev1.Container{spec.InitContainers, spec.Containers} {
		for i := range list {
			n.environment(list[i].Env, list[i].EnvFrom)
		}
	}
	for i := range spec.EphemeralContainers {
		n.environment(spec.EphemeralContainers[i].Env, spec.EphemeralContainers[i].EnvFrom)
	}
	for _, ref := range spec.ImagePullSecrets {
		optional := true // without it the pull is tried all the same
		n.add(ofSecrets, ref.Name, &optional)
	}
	return n
}

type needs []Need

func (n *needs) add(resource proto.Resource, name string, optional *bool) {
	*n = append(*n, Need{Resource: resource, Name: name, Optional: optional != nil && *optional})
}

func (n *needs) volume(v *corev1.Volume) {
	if v.Secret != nil {
		n.add(ofSecrets, v.Secret.SecretName, v.Secret.Optional)
	}
	if v.ConfigMap != nil {
		n.add(ofConfigMaps, v.ConfigMap.Name, v.ConfigMap.Optional)
	}
	if v.Projected == nil {
		return
	}
	for _, source := range v.Projected.Sources {
		if source.Secret != nil {
			n.add(ofSecrets, source.Secret.Name, source.Secret.Optional)
		}
		if source.ConfigMap != nil {
			n.add(ofConfigMaps, source.ConfigMap.Name, source.ConfigMap.Optional)
		}
	}
}

func (n *needs) environment(env []corev1.EnvVar, from []corev1.EnvFromSource) {
	for _, v := range env {
		if v.ValueFrom == nil {
			continue
		}
		if ref := v.ValueFrom.SecretKeyRef; ref != nil {
			n.add(ofSecrets, ref.Name, ref.Optional)
		}
		if ref := v.ValueFrom.ConfigMapKeyRef; ref != nil {
			n.add(ofConfigMaps, ref.Name, ref.Optional)
		}
	}
	for _, source := range from {
		if source.SecretRef != nil {
			n.add(ofSecrets, source.SecretRef.Name, source.SecretRef.Optional)
		}
		if source.ConfigMapRef != nil {
			n.add(ofConfigMaps, source.ConfigMapRef.Name, source.ConfigMapRef.Optional)
		}
	}
}
