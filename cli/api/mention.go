package api

import corev1 "k8s.io/api/core/v1"

// mentions tells whether a pod needs the ConfigMap or Secret of that name to
// run: for a volume, its environment, or to pull an image.
func mentions(spec *corev1.PodSpec, resource, name string) bool {
	m := mention{secret: resource == "secrets", name: name}
	for i := range spec.Volumes {
		m.volume(&spec.Volumes[i])
	}
	for _, list := range [][]corev1.Container{spec.InitContainers, spec.Containers} {
		for i := range list {
			m.environment(list[i].Env, list[i].EnvFrom)
		}
	}
	for i := range spec.EphemeralContainers {
		m.environment(spec.EphemeralContainers[i].Env, spec.EphemeralContainers[i].EnvFrom)
	}
	for _, ref := range spec.ImagePullSecrets {
		m.see(true, ref.Name)
	}
	return m.found
}

type mention struct {
	secret bool
	name   string
	found  bool
}

func (m *mention) see(secret bool, name string) {
	m.found = m.found || (secret == m.secret && name == m.name)
}

func (m *mention) volume(v *corev1.Volume) {
	if v.Secret != nil {
		m.see(true, v.Secret.SecretName)
	}
	if v.ConfigMap != nil {
		m.see(false, v.ConfigMap.Name)
	}
	if v.Projected == nil {
		return
	}
	for _, source := range v.Projected.Sources {
		if source.Secret != nil {
			m.see(true, source.Secret.Name)
		}
		if source.ConfigMap != nil {
			m.see(false, source.ConfigMap.Name)
		}
	}
}

func (m *mention) environment(env []corev1.EnvVar, from []corev1.EnvFromSource) {
	for _, v := range env {
		if v.ValueFrom == nil {
			continue
		}
		if ref := v.ValueFrom.SecretKeyRef; ref != nil {
			m.see(true, ref.Name)
		}
		if ref := v.ValueFrom.ConfigMapKeyRef; ref != nil {
			m.see(false, ref.Name)
		}
	}
	for _, source := range from {
		if source.SecretRef != nil {
			m.see(true, source.SecretRef.Name)
		}
		if source.ConfigMapRef != nil {
			m.see(false, source.ConfigMapRef.Name)
		}
	}
}
