package network

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// What making links and entering namespaces needs.
const (
	capNetAdmin = 12
	capSysAdmin = 21
)

// CanBridge answers why this process cannot cable pods, nil when it can.
func CanBridge() error {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return fmt.Errorf("read what this process may do: %w", err)
	}
	for line := range strings.Lines(string(status)) {
		hex, ok := strings.CutPrefix(line, "CapEff:")
		if !ok {
			continue
		}
		caps, err := strconv.ParseUint(strings.TrimSpace(hex), 16, 64)
		if err == nil && caps&(1<<capNetAdmin) != 0 && caps&(1<<capSysAdmin) != 0 {
			return nil
		}
	}
	return errors.New("making a pod network needs root (CAP_NET_ADMIN and CAP_SYS_ADMIN)")
}
