package events

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"segno/proto"
)

// GroupResource is the resource in the form that API errors take.
func (k *Kind) GroupResource() schema.GroupResource {
	return schema.GroupResource{Group: k.Resource.Group, Resource: k.Resource.Name}
}

func notFound(kind *Kind, name string) error {
	return apierrors.NewNotFound(kind.GroupResource(), name)
}

func conflict(kind *Kind, name, why string) error {
	return apierrors.NewConflict(kind.GroupResource(), name, errors.New(why))
}

func forbidden(kind *Kind, name, why string) error {
	return apierrors.NewForbidden(kind.GroupResource(), name, errors.New(why))
}

// invalid answers nil when there is nothing to complain of. What two rules find
// alike is said once.
func invalid(kind *Kind, name string, errs field.ErrorList) error {
	if len(errs) == 0 {
		return nil
	}
	seen := map[string]bool{}
	once := errs[:0:0]
	for _, e := range errs {
		if text := e.Error(); !seen[text] {
			seen[text] = true
			once = append(once, e)
		}
	}
	return apierrors.NewInvalid(kind.GVK.GroupKind(), name, once)
}

const modified = "the object has been modified; please apply your changes to the latest version and try again"

func tooLarge(what string, size, most int) error {
	return apierrors.NewRequestEntityTooLargeError(fmt.Sprintf("%s takes %d bytes, at most %d are allowed", what, size, most))
}

func wrongUID(kind *Kind, name string, asked, is types.UID) error {
	return conflict(kind, name, fmt.Sprintf("Precondition failed: UID in precondition: %s, UID in object meta: %s", asked, is))
}

// terminating is what Kubernetes answers to a creation in a namespace that is
// being emptied.
func terminating(kind *Kind, name, namespace string) error {
	err := apierrors.NewForbidden(kind.GroupResource(), name,
		fmt.Errorf("unable to create new content in namespace %s because it is being terminated", namespace))
	err.ErrStatus.Details.Causes = append(err.ErrStatus.Details.Causes, metav1.StatusCause{
		Type:    corev1.NamespaceTerminatingCause,
		Message: fmt.Sprintf("namespace %s is being terminated", namespace),
		Field:   "metadata.namespace",
	})
	return err
}

// kindOf answers the kind of a key, and refuses a key whose scope is not the
// kind's.
func (d *decider) kindOf(key proto.ObjectKey) (*Kind, error) {
	kind := d.table.Of(key.Resource)
	switch {
	case kind == nil:
		return nil, apierrors.NewBadRequest(fmt.Sprintf("the server does not know the resource %s", key.Resource))
	case kind.Namespaced && key.Namespace == "":
		return nil, apierrors.NewBadRequest(fmt.Sprintf("%s are namespaced: a namespace is required", key.Resource))
	case !kind.Namespaced && key.Namespace != "":
		return nil, apierrors.NewBadRequest(fmt.Sprintf("%s are not namespaced: namespace %q is not allowed", key.Resource, key.Namespace))
	}
	return kind, nil
}

// unprocessable is what a well-formed patch gets that does not fit the object.
func unprocessable(err error) error {
	return &apierrors.StatusError{ErrStatus: metav1.Status{
		Status:  metav1.StatusFailure,
		Code:    http.StatusUnprocessableEntity,
		Reason:  metav1.StatusReasonInvalid,
		Message: "the patch cannot be applied: " + clip(err.Error()),
	}}
}

func unsupported(why string) error {
	return &apierrors.StatusError{ErrStatus: metav1.Status{
		Status:  metav1.StatusFailure,
		Code:    http.StatusUnsupportedMediaType,
		Reason:  metav1.StatusReasonUnsupportedMediaType,
		Message: why,
	}}
}

// clip bounds how much of what was sent an error repeats.
func clip(text string) string {
	const most = 2048
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "…"
}
