package reconcilers

import (
	"context"
	"errors"
	"net/http"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// answer is the class of what came back for a command.
type answer int

// In ascending order of how much they hold up a key.
const (
	accepted answer = iota
	refused         // will not change until the object does
	stale           // the view was old
	failed          // worth another try
)

// unanswered tells whether an error leaves open what became of the command: it
// may still be carried out.
func unanswered(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) ||
		apierrors.IsServiceUnavailable(err) || apierrors.IsTimeout(err) || apierrors.IsServerTimeout(err)
}

// classify says what an error asks for.
func classify(err error) answer {
	switch {
	case err == nil:
		return accepted
	case errors.Is(err, context.Canceled):
		return failed
	case apierrors.IsConflict(err), apierrors.IsNotFound(err), apierrors.IsAlreadyExists(err), apierrors.IsGone(err):
		return stale
	case apierrors.IsTooManyRequests(err):
		return failed
	}
	var status apierrors.APIStatus
	if errors.As(err, &status) {
		if code := status.Status().Code; code >= http.StatusBadRequest && code < http.StatusInternalServerError {
			return refused
		}
	}
	return failed
}
