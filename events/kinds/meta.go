package kinds

import (
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"segno/events"
)

// withMeta completes a kind with what holds for the metadata of every kind:
// its validation goes before the kind's own.
func withMeta(kind *events.Kind) {
	validate, update, status := kind.Validate, kind.ValidateUpdate, kind.ValidateStatus
	path := field.NewPath("metadata")
	kind.Validate = func(obj events.Object) field.ErrorList {
		errs := apivalidation.ValidateObjectMetaAccessor(obj, kind.Namespaced, apivalidation.ValidateNameFunc(kind.Name), path)
		if validate != nil {
			errs = append(errs, validate(obj)...)
		}
		return errs
	}
	kind.ValidateUpdate = func(obj, old events.Object) field.ErrorList {
		errs := apivalidation.ValidateObjectMetaAccessorUpdate(anyVersion{obj}, old, path)
		if update != nil {
			errs = append(errs, update(obj, old)...)
		}
		return errs
	}
	kind.ValidateStatus = func(obj, old events.Object) field.ErrorList {
		errs := apivalidation.ValidateObjectMetaAccessorUpdate(anyVersion{obj}, old, path)
		if status != nil {
			errs = append(errs, status(obj, old)...)
		}
		return errs
	}
}

// anyVersion has a resourceVersion for the rule that an update needs one: what
// a missing one means, and a stale one, is decided in package events.
type anyVersion struct{ metav1.Object }

// GetResourceVersion is never empty.
func (anyVersion) GetResourceVersion() string { return "any" }
