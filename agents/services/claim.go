package services

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"segno/agents/disk"
)

var errClaimed = errors.New("another node of this machine serves Services in this network namespace")

// claim makes this process the only one that serves Services in its network
// namespace, until it releases that. A lock ends with its process, however that
// ends, and nobody else can take it: only root gets at root's folder, whoever runs
// in the namespace. Agents that see different files do not see each other's.
func claim() (release func(), err error) {
	folder, err := claims(os.Geteuid())
	if err != nil {
		return nil, fmt.Errorf("claim the Services of this network namespace: %w", err)
	}
	return claimIn(folder)
}

func claimIn(folder string) (release func(), err error) {
	const doing = "claim the Services of this network namespace"
	space, err := os.Readlink("/proc/thread-self/ns/net") // such as net:[4026531840]
	if err != nil {
		return nil, fmt.Errorf("%s: %w", doing, err)
	}
	folder = filepath.Join(folder, strings.Trim(space, "net:[]"))
	unlock, err := disk.Lock(folder)
	if errors.Is(err, disk.ErrLocked) {
		return nil, errClaimed
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", doing, err)
	}
	return func() { // nothing is left of namespaces that come and go
		_ = os.Remove(filepath.Join(folder, "lock"))
		_ = os.Remove(folder)
		unlock()
	}, nil
}

// claims is the folder of a user's locks. It must be one into which nobody else
// writes; for root, one that is empty after a start of the machine.
func claims(uid int) (string, error) {
	if uid == 0 {
		return "/run/segno/services", nil
	}
	folder := os.Getenv("XDG_RUNTIME_DIR")
	if folder == "" {
		folder = filepath.Join("/run/user", strconv.Itoa(uid))
		if _, err := os.Stat(folder); err != nil {
			if folder, err = os.UserCacheDir(); err != nil {
				return "", fmt.Errorf("user %d has no folder for its locks, set XDG_RUNTIME_DIR to one: %w", uid, err)
			}
		}
	}
	return filepath.Join(folder, "segno", "services"), nil
}
