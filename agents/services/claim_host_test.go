//go:build host

package services

import (
	"errors"
	"runtime"
	"testing"

	"github.com/vishvananda/netns"
)

// TestS7EachNetworkNamespaceHasItsOwnNode that serves.
func TestS7EachNetworkNamespaceHasItsOwnNode(t *testing.T) {
	runtime.LockOSThread() // never unlocked: the thread goes with the test
	folder := t.TempDir()
	for range 2 {
		space, err := netns.New() // and enter it
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = space.Close() }()
		release, err := claimIn(folder)
		if err != nil {
			t.Fatal(err)
		}
		defer release()
		if _, err := claimIn(folder); !errors.Is(err, errClaimed) {
			t.Errorf("a second one: %v", err)
		}
	}
}
