// Package ability says what this process may do on its machine.
//
// What comes in: the numbers of capabilities, as package unix has them. What
// goes out: whether the process has them. What never happens here: a change.
//
// All of it is in this file.
package ability

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// Has tells whether this process may use all of the capabilities now.
func Has(capabilities ...int) (bool, error) {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var words [2]unix.CapUserData // 32 capabilities each
	if err := unix.Capget(&header, &words[0]); err != nil {
		return false, fmt.Errorf("read what this process may do: %w", err)
	}
	for _, c := range capabilities {
		if words[c/32].Effective&(1<<(c%32)) == 0 {
			return false, nil
		}
	}
	return true, nil
}
