package services

import (
	"context"
	"errors"
	"fmt"
	"net"
	"syscall"
)

// claimed is a socket without a file: it belongs to a network namespace, like
// the rules that it stands for, and ends with its process, however that ends.
const claimed = "@segno/services"

var errClaimed = errors.New("another node of this machine serves Services in this network namespace")

// claim makes this process the only one that serves Services in its network
// namespace, until it releases that.
func claim(ctx context.Context) (release func(), err error) {
	var sockets net.ListenConfig
	listener, err := sockets.Listen(ctx, "unix", claimed)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, errClaimed
	}
	if err != nil {
		return nil, fmt.Errorf("claim the Services of this network namespace: %w", err)
	}
	return func() { _ = listener.Close() }, nil
}
