//go:build host

package docker_test

import (
	"errors"
	"testing"

	"segno/agents/runtime"
)

func isDown(t *testing.T, err error) {
	t.Helper()
	if !errors.Is(err, runtime.ErrDown) {
		t.Errorf("%v is not %v", err, runtime.ErrDown)
	}
}
