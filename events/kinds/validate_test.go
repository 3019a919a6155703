package kinds_test

import (
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/util/validation/field"
)

// TestO2Validation: what is wrong with an object, in Kubernetes' words. A case
// is the object (yaml), with the object before it (old) for an update, or with the
// object as it is to be (status) for a change of status.
func TestO2Validation(t *testing.T) {
	golden(t, "validate_*.txtar", "errors", func(t *testing.T, files map[string][]byte) string {
		kind, obj := created(t, files["yaml"])
		var errs field.ErrorList
		switch {
		case files["status"] != nil:
			_, before := defaulted(t, files["yaml"])
			_, after := defaulted(t, files["status"])
			if kind.PrepareStatus != nil {
				kind.PrepareStatus(after, before)
			}
			errs = kind.ValidateStatus(after, before)
		case files["old"] != nil:
			_, old := created(t, files["old"])
			_, obj = defaulted(t, files["yaml"])
			if kind.PrepareUpdate != nil {
				kind.PrepareUpdate(obj, old)
			}
			if kind.ValidateUpdate != nil {
				errs = kind.ValidateUpdate(obj, old)
			} else {
				errs = kind.Validate(obj)
			}
		default:
			errs = kind.Validate(obj)
			for _, message := range kind.Name(obj.GetName(), false) {
				errs = append(errs, field.Invalid(field.NewPath("metadata", "name"), obj.GetName(), message))
			}
		}
		var b strings.Builder
		for _, err := range errs {
			b.WriteString(strings.ReplaceAll(err.Error(), "\u00a0", " ") + "\n")
		}
		return b.String()
	})
}
