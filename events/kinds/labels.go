package kinds

import (
	"cmp"
	"fmt"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	metavalidation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// validateLabels checks the syntax of labels.
func validateLabels(path *field.Path, labels map[string]string) field.ErrorList {
	return inOrder(metavalidation.ValidateLabels(labels, path))
}

// validateSelector checks the syntax of a selector over labels.
func validateSelector(path *field.Path, selector *metav1.LabelSelector) field.ErrorList {
	return inOrder(metavalidation.ValidateLabelSelector(selector, metavalidation.LabelSelectorValidationOptions{}, path))
}

// inOrder sorts errors that were found in the order of a map, so that the same
// object is always refused in the same words.
func inOrder(errs field.ErrorList) field.ErrorList {
	slices.SortStableFunc(errs, func(a, b *field.Error) int {
		return cmp.Or(cmp.Compare(a.Field, b.Field), cmp.Compare(fmt.Sprint(a.BadValue), fmt.Sprint(b.BadValue)))
	})
	return errs
}
