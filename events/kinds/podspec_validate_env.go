package kinds

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// fieldPaths are the fields that a variable may be taken from, fileFieldPaths
// those that a downward file may.
var (
	fieldPaths = []string{
		"metadata.name", "metadata.namespace", "metadata.uid", "spec.nodeName", "spec.serviceAccountName",
		"status.hostIP", "status.hostIPs", "status.podIP", "status.podIPs",
	}
	fileFieldPaths = []string{"metadata.annotations", "metadata.labels", "metadata.name", "metadata.namespace", "metadata.uid"}
	resourcePaths  = []string{
		"limits.cpu", "limits.ephemeral-storage", "limits.memory", "requests.cpu", "requests.ephemeral-storage", "requests.memory",
	}
)

func validateEnv(path *field.Path, env *corev1.EnvVar) field.ErrorList {
	return append(named(path.Child("name"), env.Name, validation.IsRelaxedEnvVarName),
		validateEnvSource(path.Child("valueFrom"), env)...)
}

func validateEnvSource(path *field.Path, env *corev1.EnvVar) field.ErrorList {
	from := env.ValueFrom
	if from == nil {
		return nil
	}
	var errs field.ErrorList
	count := 0
	source := func(set bool, rule func() field.ErrorList) {
		if set {
			count++
			errs = append(errs, rule()...)
		}
	}
	source(from.FieldRef != nil, func() field.ErrorList {
		return validateFieldRef(path.Child("fieldRef"), from.FieldRef, fieldPaths)
	})
	source(from.ResourceFieldRef != nil, func() field.ErrorList {
		return validateResourceRef(path.Child("resourceFieldRef"), from.ResourceFieldRef, false)
	})
	source(from.ConfigMapKeyRef != nil, func() field.ErrorList {
		return validateKeyRef(path.Child("configMapKeyRef"), from.ConfigMapKeyRef.Name, from.ConfigMapKeyRef.Key)
	})
	source(from.SecretKeyRef != nil, func() field.ErrorList {
		return validateKeyRef(path.Child("secretKeyRef"), from.SecretKeyRef.Name, from.SecretKeyRef.Key)
	})
	source(from.FileKeyRef != nil, func() field.ErrorList { return validateFileRef(path.Child("fileKeyRef"), from.FileKeyRef) })
	switch {
	case count == 0:
		errs = append(errs, field.Invalid(path, "", "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`"))
	case env.Value != "":
		errs = append(errs, field.Invalid(path, "", "may not be specified when `value` is not empty"))
	case count > 1:
		errs = append(errs, field.Invalid(path, "", oneFieldAtATime))
	}
	return errs
}

func validateFieldRef(path *field.Path, ref *corev1.ObjectFieldSelector, allowed []string) field.ErrorList {
	if ref.APIVersion == "" {
		return field.ErrorList{field.Required(path.Child("apiVersion"), "")}
	}
	if ref.APIVersion != "v1" {
		return field.ErrorList{field.Invalid(path.Child("fieldPath"), ref.FieldPath, "error converting fieldPath: unsupported pod version: "+ref.APIVersion)}
	}
	if ref.FieldPath == "" {
		return field.ErrorList{field.Required(path.Child("fieldPath"), "")}
	}
	if name, key, ok := subscript(ref.FieldPath); ok {
		return validateSubscript(path.Child("fieldPath"), ref.FieldPath, name, key)
	}
	return oneOf(path.Child("fieldPath"), ref.FieldPath, allowed...)
}

// subscript takes "metadata.labels['key']" apart.
func subscript(path string) (name, key string, ok bool) {
	name, rest, ok := strings.Cut(path, "['")
	if !ok {
		return "", "", false
	}
	key, ok = strings.CutSuffix(rest, "']")
	return name, key, ok
}

func validateSubscript(path *field.Path, whole, name, key string) field.ErrorList {
	switch name {
	case "metadata.annotations":
		return invalid(path, key, validation.IsQualifiedName(strings.ToLower(key)))
	case "metadata.labels":
		return invalid(path, key, validation.IsQualifiedName(key))
	default:
		return field.ErrorList{field.Invalid(path, whole, "does not support subscript")}
	}
}

func validateResourceRef(path *field.Path, ref *corev1.ResourceFieldSelector, inFile bool) field.ErrorList {
	switch {
	case inFile && ref.ContainerName == "":
		return field.ErrorList{field.Required(path.Child("containerName"), "")}
	case ref.Resource == "":
		return field.ErrorList{field.Required(path.Child("resource"), "")}
	}
	kind, name, _ := strings.Cut(ref.Resource, ".")
	if (kind == "limits" || kind == "requests") && isHugePage(corev1.ResourceName(name)) {
		return nil
	}
	return oneOf(path.Child("resource"), ref.Resource, resourcePaths...)
}

func validateKeyRef(path *field.Path, name, key string) field.ErrorList {
	return slices.Concat(
		required(path.Child("name"), name),
		named(path.Child("key"), key, validation.IsConfigMapKey),
	)
}

func validateFileRef(path *field.Path, ref *corev1.FileKeySelector) field.ErrorList {
	return slices.Concat(
		required(path.Child("volumeName"), ref.VolumeName),
		validateRelative(path.Child("path"), ref.Path),
		named(path.Child("key"), ref.Key, validation.IsRelaxedEnvVarName),
	)
}

func validateEnvFrom(path *field.Path, from *corev1.EnvFromSource) field.ErrorList {
	errs := optional(path.Child("prefix"), from.Prefix, validation.IsRelaxedEnvVarName)
	if from.ConfigMapRef != nil {
		errs = append(errs, required(path.Child("configMapRef").Child("name"), from.ConfigMapRef.Name)...)
	}
	if from.SecretRef != nil {
		errs = append(errs, required(path.Child("secretRef").Child("name"), from.SecretRef.Name)...)
	}
	switch {
	case from.ConfigMapRef == nil && from.SecretRef == nil:
		errs = append(errs, field.Invalid(path, "", "must specify one of: `configMapRef` or `secretRef`"))
	case from.ConfigMapRef != nil && from.SecretRef != nil:
		errs = append(errs, field.Invalid(path, "", oneFieldAtATime))
	}
	return errs
}
