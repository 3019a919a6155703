package kinds

import (
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"segno/events"
	"segno/proto"
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
		errs := apivalidation.ValidateObjectMetaAccessorUpdate(obj, old, path)
		if update != nil {
			errs = append(errs, update(obj, old)...)
		}
		return errs
	}
	kind.ValidateStatus = func(obj, old events.Object) field.ErrorList {
		errs := apivalidation.ValidateObjectMetaAccessorUpdate(obj, old, path)
		if status != nil {
			errs = append(errs, status(obj, old)...)
		}
		return errs
	}
}

// resource names the collection of a kind of the given API group.
func resource(version schema.GroupVersion, plural string) proto.Resource {
	return proto.Resource{Group: version.Group, Name: plural}
}
