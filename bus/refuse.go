package bus

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"segno/proto"
)

// unavailable is the answer to a command that could not be made durable. It
// can be sent again; whether it happened is in the log once that is back.
func (s *Sequencer) unavailable(ctx context.Context, reason error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	err := apierrors.NewServiceUnavailable(fmt.Sprintf("the log %s takes no writes: %v", s.cfg.Stream, reason))
	err.ErrStatus.Details = &metav1.StatusDetails{RetryAfterSeconds: 1}
	return err
}

// tooLarge refuses a transaction that does not fit one message.
func tooLarge(size int) error {
	return apierrors.NewRequestEntityTooLargeError(fmt.Sprintf("the change takes %d bytes in the log; at most %d are allowed", size, proto.MaxEnvelope))
}
