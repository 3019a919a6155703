package kinds

import (
	"encoding/json"
	"maps"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"segno/events"
	"segno/proto"
)

func secretKind() *events.Kind {
	return &events.Kind{
		GVK:        corev1.SchemeGroupVersion.WithKind("Secret"),
		Resource:   resourceOf(corev1.SchemeGroupVersion, "secrets"),
		Singular:   "secret",
		Namespaced: true,
		Stream:     proto.StreamEvents,

		New:     func() events.Object { return &corev1.Secret{} },
		NewList: func() runtime.Object { return &corev1.SecretList{} },

		Name:           apivalidation.NameIsDNSSubdomain,
		Default:        one(defaultSecret),
		PrepareUpdate:  two(prepareSecretUpdate),
		Validate:       check(validateSecret),
		ValidateUpdate: compare(validateSecretUpdate),
		Classify:       classify(classifySecret),
		Redact:         redactSecret,
		Fields:         selectable(func(secret *corev1.Secret) fields.Set { return fields.Set{"type": string(secret.Type)} }),
		FieldNames:     []string{"type"},
		Columns: []metav1.TableColumnDefinition{
			nameColumn, text("Type", corev1.Secret{}.SwaggerDoc()["type"]),
			number("Data", corev1.Secret{}.SwaggerDoc()["data"]), ageColumn,
		},
		Row: row(func(secret *corev1.Secret, now time.Time) []any {
			return []any{secret.Name, string(secret.Type), int64(len(secret.Data)), age(secret.CreationTimestamp, now)}
		}),
	}
}

// redacted stands in the place of a value that was taken out.
const redacted = "redacted"

// redactSecret takes the values out; their names stay.
func redactSecret(obj events.Object) bool {
	secret, ok := obj.(*corev1.Secret)
	if !ok {
		return false
	}
	for key := range secret.Data {
		secret.Data[key] = []byte(redacted)
	}
	_, applied := secret.Annotations[corev1.LastAppliedConfigAnnotation]
	if applied {
		secret.Annotations[corev1.LastAppliedConfigAnnotation] = redacted // a copy of the values
	}
	return applied || len(secret.Data) > 0
}

// defaultSecret merges stringData, which is only ever written, into data.
func defaultSecret(secret *corev1.Secret) {
	fill(&secret.Type, corev1.SecretTypeOpaque)
	for key, value := range secret.StringData {
		if secret.Data == nil {
			secret.Data = map[string][]byte{}
		}
		secret.Data[key] = []byte(value)
	}
	secret.StringData = nil
}

// prepareSecretUpdate lets an update leave the type out.
func prepareSecretUpdate(secret, old *corev1.Secret) { fill(&secret.Type, old.Type) }

func validateSecret(secret *corev1.Secret) field.ErrorList {
	size := 0
	var errs field.ErrorList
	for _, key := range slices.Sorted(maps.Keys(secret.Data)) {
		errs = append(errs, dataKey(dataPath, key)...)
		size += len(secret.Data[key])
	}
	if size > maxDataSize {
		errs = append(errs, field.TooLong(dataPath, "", maxDataSize))
	}
	return append(errs, validateSecretType(dataPath, secret)...)
}

// validateSecretType checks that a secret has what its type promises.
func validateSecretType(path *field.Path, secret *corev1.Secret) field.ErrorList {
	has := func(key string) bool { _, ok := secret.Data[key]; return ok }
	needs := func(key string) field.ErrorList {
		return only(!has(key), field.Required(path.Key(key), ""))
	}
	switch secret.Type {
	case corev1.SecretTypeServiceAccountToken:
		return only(secret.Annotations[corev1.ServiceAccountNameKey] == "",
			field.Required(field.NewPath("metadata", "annotations").Key(corev1.ServiceAccountNameKey), ""))
	case corev1.SecretTypeDockercfg:
		return append(needs(corev1.DockerConfigKey), validJSON(path, secret, corev1.DockerConfigKey)...)
	case corev1.SecretTypeDockerConfigJson:
		return append(needs(corev1.DockerConfigJsonKey), validJSON(path, secret, corev1.DockerConfigJsonKey)...)
	case corev1.SecretTypeBasicAuth:
		if has(corev1.BasicAuthUsernameKey) || has(corev1.BasicAuthPasswordKey) {
			return nil
		}
		return append(needs(corev1.BasicAuthUsernameKey), needs(corev1.BasicAuthPasswordKey)...)
	case corev1.SecretTypeSSHAuth:
		return only(len(secret.Data[corev1.SSHAuthPrivateKey]) == 0, field.Required(path.Key(corev1.SSHAuthPrivateKey), ""))
	case corev1.SecretTypeTLS:
		return append(needs(corev1.TLSCertKey), needs(corev1.TLSPrivateKeyKey)...)
	default:
		return nil
	}
}

// validJSON shows no more of a secret than that it is malformed.
func validJSON(path *field.Path, secret *corev1.Secret, key string) field.ErrorList {
	data, ok := secret.Data[key]
	if !ok {
		return nil
	}
	var object map[string]any
	if err := json.Unmarshal(data, &object); err != nil {
		return field.ErrorList{field.Invalid(path.Key(key), "<secret contents redacted>", err.Error())}
	}
	return nil
}

func validateSecretUpdate(secret, old *corev1.Secret) field.ErrorList {
	errs := append(validateSecret(secret), unchanged(field.NewPath("type"), secret.Type, old.Type)...)
	if !deref(old.Immutable, false) {
		return errs
	}
	return slices.Concat(errs,
		only(!deref(secret.Immutable, false), field.Forbidden(field.NewPath("immutable"), frozen)),
		only(!equality.Semantic.DeepEqual(secret.Data, old.Data), field.Forbidden(dataPath, frozen)),
	)
}

func classifySecret(before, after *corev1.Secret, _ proto.Section) (fact, reason string) {
	if equality.Semantic.DeepEqual(before.Data, after.Data) {
		return "", ""
	}
	return string(events.SecretChanged), "DataChanged"
}
