package network

import (
	"errors"

	"golang.org/x/sys/unix"

	"segno/agents/ability"
)

// CanBridge answers why this process cannot cable pods, nil when it can: it
// makes links and enters namespaces.
func CanBridge() error {
	able, err := ability.Has(unix.CAP_NET_ADMIN, unix.CAP_SYS_ADMIN)
	if err == nil && !able {
		err = errors.New("making a pod network needs root (CAP_NET_ADMIN and CAP_SYS_ADMIN)")
	}
	return err
}
