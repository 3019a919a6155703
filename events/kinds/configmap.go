package kinds

import (
	"maps"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"segno/events"
	"segno/proto"
)

// maxDataSize is the largest sum of values that a ConfigMap or Secret holds.
const maxDataSize = 1 << 20

var dataPath, binaryDataPath = field.NewPath("data"), field.NewPath("binaryData")

// frozen is said of what an immutable ConfigMap or Secret would change.
const frozen = "field is immutable when `immutable` is set"

func configMapKind() *events.Kind {
	return &events.Kind{
		GVK:        corev1.SchemeGroupVersion.WithKind("ConfigMap"),
		Resource:   resourceOf(corev1.SchemeGroupVersion, "configmaps"),
		Singular:   "configmap",
		ShortNames: []string{"cm"},
		Namespaced: true,
		Stream:     proto.StreamEvents,

		New:     func() events.Object { return &corev1.ConfigMap{} },
		NewList: func() runtime.Object { return &corev1.ConfigMapList{} },

		Name:           apivalidation.NameIsDNSSubdomain,
		Validate:       check(validateConfigMap),
		ValidateUpdate: compare(validateConfigMapUpdate),
		Admit:          admit(admitConfigMap),
		Classify:       classify(classifyConfigMap),
		Columns:        []metav1.TableColumnDefinition{nameColumn, number("Data", corev1.ConfigMap{}.SwaggerDoc()["data"]), ageColumn},
		Row: row(func(config *corev1.ConfigMap, now time.Time) []any {
			return []any{config.Name, int64(len(config.Data) + len(config.BinaryData)), age(config.CreationTimestamp, now)}
		}),
	}
}

func validateConfigMap(config *corev1.ConfigMap) field.ErrorList {
	size := 0
	var errs field.ErrorList
	for _, key := range slices.Sorted(maps.Keys(config.Data)) {
		errs = append(errs, dataKey(dataPath, key)...)
		if _, twice := config.BinaryData[key]; twice {
			errs = append(errs, field.Invalid(dataPath.Key(key), key, "duplicate of key present in binaryData"))
		}
		size += len(config.Data[key])
	}
	for _, key := range slices.Sorted(maps.Keys(config.BinaryData)) {
		errs = append(errs, dataKey(binaryDataPath, key)...)
		size += len(config.BinaryData[key])
	}
	if size > maxDataSize {
		errs = append(errs, field.TooLong(field.NewPath(""), "", maxDataSize))
	}
	return errs
}

// dataKey checks the name of a value: it must do as a file name.
func dataKey(path *field.Path, key string) field.ErrorList {
	return invalid(path.Key(key), key, validation.IsConfigMapKey(key))
}

func validateConfigMapUpdate(config, old *corev1.ConfigMap) field.ErrorList {
	errs := validateConfigMap(config)
	if !deref(old.Immutable, false) {
		return errs
	}
	return slices.Concat(errs,
		only(!deref(config.Immutable, false), field.Forbidden(field.NewPath("immutable"), frozen)),
		only(!maps.Equal(config.Data, old.Data), field.Forbidden(dataPath, frozen)),
		only(!equality.Semantic.DeepEqual(config.BinaryData, old.BinaryData), field.Forbidden(binaryDataPath, frozen)),
	)
}

func classifyConfigMap(before, after *corev1.ConfigMap, _ proto.Section) (fact, reason string) {
	if maps.Equal(before.Data, after.Data) && equality.Semantic.DeepEqual(before.BinaryData, after.BinaryData) {
		return "", ""
	}
	return string(events.ConfigMapChanged), "DataChanged"
}
