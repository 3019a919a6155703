package pod

import (
	"fmt"
	"slices"
	"sort"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// environment answers a container's variables in the order they are written;
// one may refer to those before it.
func environment(want Want, have State, c *corev1.Container) (list []string, vars map[string]string, err error) {
	if len(c.EnvFrom) > 0 {
		return nil, nil, because(createConfigError, "envFrom is not supported by this version of segno")
	}
	vars = map[string]string{}
	if have.Node.Given != nil {
		list = given(have.Node.Given(), c.Env, vars)
	}
	for i := range c.Env {
		e := &c.Env[i]
		value := expand(e.Value, vars)
		if e.ValueFrom != nil {
			if value, err = valueFrom(want, have, c, e); err != nil {
				return nil, nil, err
			}
		}
		vars[e.Name] = value
		list = append(list, e.Name+"="+value)
	}
	return list, vars, nil
}

// given leaves out what a container sets itself: of two variables of one name
// programs see one or the other.
func given(all []string, own []corev1.EnvVar, vars map[string]string) (list []string) {
	for _, one := range all {
		name, value, _ := strings.Cut(one, "=")
		if slices.ContainsFunc(own, func(e corev1.EnvVar) bool { return e.Name == name }) {
			continue
		}
		vars[name] = value
		list = append(list, one)
	}
	return list
}

func valueFrom(want Want, have State, c *corev1.Container, e *corev1.EnvVar) (string, error) {
	from := e.ValueFrom
	switch {
	case from.FieldRef != nil:
		value, err := fieldOf(want.Pod, have, from.FieldRef.FieldPath)
		if err != nil {
			return "", because(createConfigError, "env %s: %w", e.Name, err)
		}
		return value, nil
	case from.ResourceFieldRef != nil:
		value, err := resourceOf(want.Pod, have, c, from.ResourceFieldRef)
		if err != nil {
			return "", because(createConfigError, "env %s: %w", e.Name, err)
		}
		return value, nil
	case from.ConfigMapKeyRef != nil:
		return "", because(createConfigError, "env %s: configMapKeyRef is not supported by this version of segno", e.Name)
	case from.SecretKeyRef != nil:
		return "", because(createConfigError, "env %s: secretKeyRef is not supported by this version of segno", e.Name)
	default:
		return "", because(createConfigError, "env %s: this valueFrom is not supported by this version of segno", e.Name)
	}
}

// fieldOf answers a field that a container may know of its pod.
func fieldOf(pod *corev1.Pod, have State, path string) (string, error) {
	if key, ok := subscript(path, "metadata.labels"); ok {
		return pod.Labels[key], nil
	}
	if key, ok := subscript(path, "metadata.annotations"); ok {
		return pod.Annotations[key], nil
	}
	switch path {
	case "metadata.name":
		return pod.Name, nil
	case "metadata.namespace":
		return pod.Namespace, nil
	case "metadata.uid":
		return string(pod.UID), nil
	case "metadata.labels":
		return quoted(pod.Labels), nil
	case "metadata.annotations":
		return quoted(pod.Annotations), nil
	case "spec.nodeName":
		return string(have.Node.Name), nil
	case "spec.serviceAccountName":
		return pod.Spec.ServiceAccountName, nil
	case "status.hostIP", "status.hostIPs":
		return have.Node.Address.String(), nil
	case "status.podIP", "status.podIPs":
		if s := have.Runtime.Sandbox; s != nil && !s.HostNetwork {
			if path == "status.podIPs" && s.Second.IsValid() {
				return s.Address.String() + "," + s.Second.String(), nil
			}
			return s.Address.String(), nil
		}
		return have.Node.Address.String(), nil
	}
	return "", fmt.Errorf("field %q cannot be had", path)
}

func subscript(path, of string) (string, bool) {
	rest, ok := strings.CutPrefix(path, of+"['")
	if !ok {
		return "", false
	}
	return strings.CutSuffix(rest, "']")
}

func quoted(of map[string]string) string {
	lines := make([]string, 0, len(of))
	for k, v := range of {
		lines = append(lines, fmt.Sprintf("%s=%q", k, v))
	}
	sort.Strings(lines)
	return strings.Join(lines, "\n")
}

// resourceOf answers a request or limit of a container, in units of divisor.
func resourceOf(pod *corev1.Pod, have State, c *corev1.Container, ref *corev1.ResourceFieldSelector) (string, error) {
	if ref.ContainerName != "" && ref.ContainerName != c.Name {
		c = nil
		for i := range pod.Spec.Containers {
			if pod.Spec.Containers[i].Name == ref.ContainerName {
				c = &pod.Spec.Containers[i]
			}
		}
		if c == nil {
			return "", fmt.Errorf("container %q is not in the pod", ref.ContainerName)
		}
	}
	which, name, _ := strings.Cut(ref.Resource, ".")
	list := c.Resources.Limits
	if which == "requests" {
		list = c.Resources.Requests
	} else if which != "limits" {
		return "", fmt.Errorf("resource %q cannot be had", ref.Resource)
	}
	quantity, ok := list[corev1.ResourceName(name)]
	amount := quantity.MilliValue()
	if !ok && which == "limits" && name == string(corev1.ResourceMemory) {
		amount = have.Node.Memory * 1000
	}
	divisor := ref.Divisor.MilliValue()
	if divisor == 0 {
		divisor = 1000
	}
	return fmt.Sprint((amount + divisor - 1) / divisor), nil
}
