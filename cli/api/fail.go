package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// statusOf is an error as Kubernetes' clients read it. Errors that are no
// Status are the server's own fault.
func statusOf(err error) *metav1.Status {
	var known apierrors.APIStatus
	if errors.As(err, &known) {
		status := known.Status()
		status.TypeMeta = metav1.TypeMeta{APIVersion: "v1", Kind: "Status"}
		if status.Code == 0 {
			status.Code = http.StatusInternalServerError
		}
		return &status
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return statusOf(apierrors.NewTimeoutError("the request took longer than it may: "+err.Error(), 1))
	}
	return statusOf(apierrors.NewInternalError(err))
}

// notServed is the answer for a path or resource that is not there.
func notServed() error {
	err := apierrors.NewGenericServerResponse(http.StatusNotFound, "", schema.GroupResource{}, "", "", 0, true)
	err.ErrStatus.Message = "the server could not find the requested resource"
	err.ErrStatus.Details = &metav1.StatusDetails{}
	return err
}

// notKept is the answer about what the cluster itself keeps alone.
func notKept() error {
	return statusText(http.StatusNotFound, "NotFound", "a fork or an opened incident has none of this: ask the cluster itself, in its own context (segno config get-contexts)")
}

// notAllowed is the answer for a verb that a resource does not know.
func notAllowed(t Target) error {
	resource := schema.GroupResource{Group: t.Group, Resource: t.Resource}
	if t.Subresource != "" {
		resource.Resource += "/" + t.Subresource
	}
	return apierrors.NewMethodNotSupported(resource, t.Verb)
}

// statusText is an error with a code and reason for which apimachinery has no
// constructor that keeps the text.
func statusText(code int32, reason metav1.StatusReason, format string, args ...any) error {
	return &apierrors.StatusError{ErrStatus: metav1.Status{
		Status: metav1.StatusFailure, Code: code, Reason: reason, Message: fmt.Sprintf(format, args...),
	}}
}

func badRequest(format string, args ...any) error {
	return apierrors.NewBadRequest(fmt.Sprintf(format, args...))
}
